"""Files in the folder of a training: settings, LoRA files, model card."""
