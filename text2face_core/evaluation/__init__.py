"""Evaluation: does a model draw what prompts say, how sure is that, and for whom."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
