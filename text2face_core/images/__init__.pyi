from .decode import DEFAULT_LIMITS as DEFAULT_LIMITS, DecodeLimits as DecodeLimits, decode_image as decode_image
from .evidence import supported as supported
from .geometry import (
    BoxCrop as BoxCrop,
    LandmarkCrop as LandmarkCrop,
    Matrix as Matrix,
    crops as crops,
    dataset_square as dataset_square,
    similarity as similarity,
    warp as warp,
)
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
