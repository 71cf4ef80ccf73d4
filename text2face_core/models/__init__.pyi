from .base import SourceFailed as SourceFailed
from .inference import BATCH as BATCH, Free as Free, Network as Network, network as network, session as session
from .onnx_graph import OnnxGraph as OnnxGraph, converted as converted
from .sources import require_answer as require_answer
from .store import (
    Artifact as Artifact,
    HubFile as HubFile,
    ModelStore as ModelStore,
    NpmMember as NpmMember,
    Url as Url,
    WheelMember as WheelMember,
    human_size as human_size,
)
from .tfjs_graph import CONVERSION as CONVERSION, convert_tfjs as convert_tfjs
from .tfjs_weights import read_tfjs_weights as read_tfjs_weights
from .weights import load_weights as load_weights
