"""Training, whatever the model: order of samples, steps, checkpoints, resuming, metrics, averaged weights.

Trainers in plugins bring the model, its data and its loss; this package brings the rest. Most of it needs torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
