"""Make examples/style-faces: captioned synthetic portraits, rare kinds included, as a table of styles."""
