"""The face generator: latents to faces."""
