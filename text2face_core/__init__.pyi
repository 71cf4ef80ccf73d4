from ._version import __version__ as __version__
from .contracts import (
    CaptionedDataset as CaptionedDataset,
    Component as Component,
    Detector as Detector,
    Embedder as Embedder,
    Extractor as Extractor,
    Filter as Filter,
    Fuser as Fuser,
    FusionRequest as FusionRequest,
    GenerationRequest as GenerationRequest,
    ImageGenerator as ImageGenerator,
    Metric as Metric,
    Options as Options,
    Rejection as Rejection,
    Renderer as Renderer,
    Runtime as Runtime,
    Source as Source,
    TrainedModel as TrainedModel,
    Trainer as Trainer,
)
from .errors import BadPhoto as BadPhoto, SourceError as SourceError, Text2FaceError as Text2FaceError
from .evaluation import Evaluation as Evaluation, Measure as Measure
from .hookspecs import hookimpl as hookimpl
from .images import LandmarkCrop as LandmarkCrop
from .library import (
    caption_again as caption_again,
    caption_photos as caption_photos,
    check_captions as check_captions,
    compare as compare,
    diagnose as diagnose,
    evaluate as evaluate,
    export as export,
    generate as generate,
    sweep as sweep,
    train as train,
)
from .models import (
    Artifact as Artifact,
    HubFile as HubFile,
    NpmMember as NpmMember,
    Url as Url,
    WheelMember as WheelMember,
)
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
    PhotoRef as PhotoRef,
    Portrait as Portrait,
)
from .report import write_report as write_report
from .run import RunDirectory as RunDirectory
from .stats import collect_stats as collect_stats
