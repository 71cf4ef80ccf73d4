"""text2face: photos of faces go in, accurate captions come out."""

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Public names of 0.1, here until 0.3.
_RENAMED = {"Drawer": "ImageGenerator", "DrawRequest": "GenerationRequest"}


def __getattr__(name: str) -> object:
    if name not in _RENAMED:
        return _public(name)
    from . import contracts
    from .utils import new_name

    new_name(__name__, name, _RENAMED)
    return contracts.of_0_1(name)
