"""What a stranger's run or recipe may reach: find it, show it, and have it allowed once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
