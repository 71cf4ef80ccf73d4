"""From findings to words: the vocabulary, the bag drawn for a caption, and what a caption says of its bag."""
