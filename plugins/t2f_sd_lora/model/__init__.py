"""The base model and the LoRA on it: find, load, name, attach."""
