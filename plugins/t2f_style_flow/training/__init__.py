"""From captioned faces to trained weights."""
