from .local import Work as Work
