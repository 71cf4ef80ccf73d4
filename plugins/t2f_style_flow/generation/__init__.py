"""From texts to faces."""
