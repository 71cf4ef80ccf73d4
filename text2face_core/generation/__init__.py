"""Generate images with a trained model: prompts, sweeps, comparisons and grids."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
