"""text2face: photos of faces go in, accurate captions come out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Names are imported when first used, so that `t2f --help` and a plugin's entry point stay quick.
_HOMES = {
    "AnalysisRow": "records",
    "Artifact": "models",
    "Bag": "records",
    "Caption": "records",
    "CaptionRow": "records",
    "Component": "contracts",
    "Detector": "contracts",
    "DrawRequest": "contracts",
    "Drawer": "contracts",
    "Extractor": "contracts",
    "Face": "records",
    "Filter": "contracts",
    "Finding": "records",
    "Fuser": "contracts",
    "FusionRequest": "contracts",
    "HubFile": "models",
    "LandmarkCrop": "geometry",
    "Options": "contracts",
    "Photo": "records",
    "Plugins": "plugins",
    "Portrait": "records",
    "Recipe": "recipe",
    "Rejection": "contracts",
    "RunDirectory": "run",
    "Runtime": "contracts",
    "Text2FaceError": "errors",
    "Trainer": "contracts",
    "Url": "models",
    "WheelMember": "models",
    "caption_photos": "library",
    "hookimpl": "hookspecs",
}

# Written out, because type checkers read it: with the table alone, they take the names for private ones.
__all__ = [
    "AnalysisRow",
    "Artifact",
    "Bag",
    "Caption",
    "CaptionRow",
    "Component",
    "Detector",
    "DrawRequest",
    "Drawer",
    "Extractor",
    "Face",
    "Filter",
    "Finding",
    "Fuser",
    "FusionRequest",
    "HubFile",
    "LandmarkCrop",
    "Options",
    "Photo",
    "Plugins",
    "Portrait",
    "Recipe",
    "Rejection",
    "RunDirectory",
    "Runtime",
    "Text2FaceError",
    "Trainer",
    "Url",
    "WheelMember",
    "__version__",
    "caption_photos",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from .contracts import (
        Component,
        Detector,
        Drawer,
        DrawRequest,
        Extractor,
        Filter,
        Fuser,
        FusionRequest,
        Options,
        Rejection,
        Runtime,
        Trainer,
    )
    from .errors import Text2FaceError
    from .geometry import LandmarkCrop
    from .hookspecs import hookimpl
    from .library import caption_photos
    from .models import Artifact, HubFile, Url, WheelMember
    from .plugins import Plugins
    from .recipe import Recipe
    from .records import (
        AnalysisRow,
        Bag,
        Caption,
        CaptionRow,
        Face,
        Finding,
        Photo,
        Portrait,
    )
    from .run import RunDirectory
