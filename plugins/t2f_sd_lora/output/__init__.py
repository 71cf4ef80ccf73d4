"""Files in the folder of a training: settings, checkpoints, metrics, contact sheet, LoRA files, model card."""
