"""From captioned pictures to trained LoRA weights."""
