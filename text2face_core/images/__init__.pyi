from .decode import DEFAULT_LIMITS as DEFAULT_LIMITS, DecodeLimits as DecodeLimits, decode_image as decode_image
from .evidence import supported as supported
from .framing import (
    Frame as Frame,
    Framing as Framing,
    Shape as Shape,
    cut_frame as cut_frame,
    face_centre as face_centre,
)
from .geometry import (
    BoxCrop as BoxCrop,
    LandmarkCrop as LandmarkCrop,
    Matrix as Matrix,
    crops as crops,
    similarity as similarity,
    warp as warp,
)
from .likeness import Lookalikes as Lookalikes, difference_hash as difference_hash
from .loading import load_image as load_image
from .pool import (
    ClosedError as ClosedError,
    Decoder as Decoder,
    DecoderPool as DecoderPool,
    open_decoder as open_decoder,
)
from .regions import (
    ParsedFace as ParsedFace,
    Region as Region,
    Threshold as Threshold,
    Thresholds as Thresholds,
    derive as derive,
    worn as worn,
)
from .template import start_decoders as start_decoders
