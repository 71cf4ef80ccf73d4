"""Pictures and captions in the form that training steps take, computed once and kept on disk."""
