"""Generate images with a base model and a LoRA."""
