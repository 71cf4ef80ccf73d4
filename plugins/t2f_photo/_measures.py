"""Measures of pixels: colour, sharpness, detail, blocks."""

import numpy as np
import numpy.typing as npt

from text2face_core.images import BoxCrop
from text2face_core.records import Pixels, Portrait

FACE = BoxCrop(0.7, 180, border=None)
"""The middle of the face, at the size at which all of it would be 256 px high: skin, eyes and mouth, no background."""

SIZES = {side: BoxCrop(0.7, round(0.7 * side), border=None) for side in (256, 180, 128, 90, 64)}
"""The same middle of the face by the height of the face in pixels: blur shows at the size that the photo has."""
ENLARGED = 1.1
"""How much larger than in the photo the face may be made."""
REBLUR = 9
"""Pixels, length of the box filter by which blur is measured."""
DENOISE = 0.6
"""Pixels, standard deviation of the blur that takes away compression's and the sensor's noise first."""

SAMPLED_SIDE = 256
"""Pixels. Of a larger photo, colour is measured on every k-th pixel: enough for a mean, at one cost for any size."""

BRIGHT = 0.7
"""Linear luminance to which a dim photo's 95th percentile is raised before its colour is measured."""
MOST_GAIN = 40.0
"""Beyond this, rounding to 8 bits would be raised to colours."""

ROUNDING = 20 / 12
"""Variance of the Laplacian (its squared weights sum to 20) of nothing but rounding to whole grey levels (1/12)."""

COARSE = 4
"""How much smaller the face is made before its detail is measured: noise and JPEG's blocks vanish, features remain."""


def chroma(pixels: Pixels) -> float:
    """Mean CIELAB chroma, 0 (grey) to about 100, of (H, W, 3) uint8 RGB, as if a dim photo were well exposed.

    Chroma shrinks with lightness, so that an underexposed photo has as little as a grey one. Raising the exposure
    restores it, and leaves grey photos grey.

    >>> chroma(np.full((9, 9, 3), 128, np.uint8)) < 0.1
    True
    """
    import cv2

    k = max(1, max(pixels.shape[:2]) // SAMPLED_SIDE)
    sampled = _resized(pixels, k, cv2.INTER_NEAREST)
    # Grain and compression colour single pixels of a grey photo: averages over 4 x 4 hide that.
    small = _resized(sampled, 4, cv2.INTER_AREA)
    lab = cv2.cvtColor(_exposed(small), cv2.COLOR_RGB2Lab)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian over variance of the grey levels, in thousandths, of (H, W, 3) uint8 RGB.

    >>> sharpness(np.full((9, 9, 3), 128, np.uint8))
    0.0
    """
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    detail = max(0.0, float(cv2.Laplacian(grey, cv2.CV_32F).var()) - ROUNDING)
    return 1000 * detail / max(1.0, float(grey.var()))


def blur(pixels: Pixels) -> float:
    """Perceptual blur, 0 (sharp) to 1, of (H, W, 3) uint8 RGB.

    The share of the change between neighbouring pixels that survives a further blur along the rows, or the columns,
    whichever is larger: what is sharp loses most of it, what is blurred already loses little. Neither contrast nor the
    amount of texture counts. Crete et al., "The blur effect: perception and estimation with a new no-reference
    perceptual blur metric", SPIE 2007.

    >>> noise = np.random.default_rng(0).integers(0, 255, (64, 64, 1), np.uint8).repeat(3, axis=2)
    >>> blur(noise) < 0.5 < blur(noise.repeat(16, axis=0).repeat(16, axis=1)), blur(np.zeros((9, 9, 3), np.uint8))
    (True, 1.0)
    """
    import cv2

    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), DENOISE)
    shares = []
    for axis, kernel in ((0, (1, REBLUR)), (1, (REBLUR, 1))):
        change = np.abs(np.diff(grey, axis=axis))
        left = np.abs(np.diff(cv2.blur(grey, kernel), axis=axis))
        total = float(change.sum())
        shares.append(1 - float(np.maximum(0, change - left).sum()) / total if total > 0 else 1.0)
    return max(shares)


def face_at_its_size(portrait: Portrait) -> Pixels:
    """The middle of the face, (S, S, 3) uint8, at the largest of `SIZES` to which it need not be enlarged much."""
    high = float(portrait.face.box[3] - portrait.face.box[1])
    return portrait.crop(next((SIZES[size] for size in SIZES if size <= high * ENLARGED), SIZES[min(SIZES)]))


def detail(pixels: Pixels) -> float:
    """Sharpness of (H, W, 3) uint8 RGB at a quarter of its size: whether there are features, crisp or not.

    >>> detail(np.full((36, 36, 3), 128, np.uint8))
    0.0
    """
    import cv2

    return sharpness(_resized(pixels, COARSE, cv2.INTER_AREA))


def blockiness(pixels: Pixels) -> float:
    """Share, 0 to 1, of the change between neighbouring pixels that lies in a quarter of the rows and of the columns.

    About 0.5 for photos, also blurred and grainy ones, and above 0.9 for pixels enlarged to blocks of four or more, as
    pixelated faces are: nothing changes inside a block.

    pixels: (H, W, 3) uint8 RGB, at the photo's own resolution.

    >>> blocks = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    >>> round(blockiness(blocks), 2)
    1.0
    """
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    shares = []
    for axis in (0, 1):
        change = np.sort((np.diff(grey, axis=axis) ** 2).mean(axis=1 - axis))[::-1]
        total = float(change.sum())
        shares.append(float(change[: round(len(change) / 4)].sum()) / total if total > 0 else 0.0)
    return min(shares)


def face_pixels(portrait: Portrait) -> Pixels:
    """The face's box, as much of it as is inside the photo, at the photo's own resolution: (H, W, 3) uint8."""
    x0, y0, x1, y1 = (max(0, round(float(edge))) for edge in portrait.face.box)
    return portrait.photo.pixels[y0:y1, x0:x1]


def _exposed(pixels: Pixels) -> npt.NDArray[np.float32]:
    """(H, W, 3) float32 sRGB, 0 to 1, brightened so that its brightest parts are bright."""
    values = np.asarray(pixels, np.float32) / np.float32(255)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = float(np.percentile(linear @ np.array([0.2126, 0.7152, 0.0722], np.float32), 95))
    gain = min(max(BRIGHT / max(light, 1e-6), 1.0), MOST_GAIN)
    if gain == 1.0:
        return values
    raised = np.clip(linear * gain, 0, 1)
    return np.asarray(np.where(raised <= 0.0031308, raised * 12.92, 1.055 * raised ** (1 / 2.4) - 0.055), np.float32)


def _resized(pixels: Pixels, k: int, how: int) -> Pixels:
    import cv2

    size = (max(1, pixels.shape[1] // k), max(1, pixels.shape[0] // k))
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
