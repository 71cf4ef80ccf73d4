from ._version import __version__ as __version__
from .contracts import (
    Component as Component,
    Detector as Detector,
    Extractor as Extractor,
    Filter as Filter,
    Fuser as Fuser,
    FusionRequest as FusionRequest,
    GenerationRequest as GenerationRequest,
    ImageGenerator as ImageGenerator,
    Options as Options,
    Rejection as Rejection,
    Runtime as Runtime,
    Trainer as Trainer,
)
from .errors import Text2FaceError as Text2FaceError
from .hookspecs import hookimpl as hookimpl
from .images import LandmarkCrop as LandmarkCrop
from .library import caption_photos as caption_photos
from .models import Artifact as Artifact, HubFile as HubFile, Url as Url, WheelMember as WheelMember
from .plugins import Plugins as Plugins
from .recipe import Recipe as Recipe
from .records import (
    AnalysisRow as AnalysisRow,
    Bag as Bag,
    Caption as Caption,
    CaptionRow as CaptionRow,
    Face as Face,
    Finding as Finding,
    Photo as Photo,
    Portrait as Portrait,
)
from .run import RunDirectory as RunDirectory
