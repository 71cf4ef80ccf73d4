"""What a training leaves behind: settings, LoRA files, model card."""
