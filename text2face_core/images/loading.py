"""Load a photo by its URI, from whichever source it came."""

from __future__ import annotations

from ..records import Pixels
from ..sources import open as open_photo
from .decode import DEFAULT_LIMITS, DecodeLimits, decode_image


def load_image(uri: str, limits: DecodeLimits = DEFAULT_LIMITS) -> Pixels:
    """The photo at `uri`: opened by its source, then decoded.

    For fusers that use the photo itself; `FusionRequest.uri` and `Photo.uri` are such URIs.

    Args:
        uri: A path, a file: URI, or a URI of any source in use.
        limits: Limits on the photo's size.

    Returns:
        (H, W, 3) uint8 sRGB, EXIF-upright.

    Raises:
        BadPhoto: The photo does not exist, cannot be read, or is not an image.
    """
    return decode_image(open_photo(uri), limits)
