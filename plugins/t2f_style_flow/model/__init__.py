"""The model: word pieces, networks, style space, LoRA, files."""
