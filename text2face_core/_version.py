"""The version of text2face."""

__version__ = "0.1.0"
