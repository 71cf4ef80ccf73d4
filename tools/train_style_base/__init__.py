"""Pre-train the base of style_flow on web-like captions, so that it draws faces and hardly follows words."""
