"""Inputs and outputs of the network: shared by the plugin and its training."""

from text2face_core.images import LandmarkCrop

SIDE = 128
POINTS = ((0.385, 0.47), (0.615, 0.47), (0.5, 0.61), (0.398, 0.715), (0.602, 0.715))
"""Landmarks in the order of `Face.landmarks`, in units of the crop's side: the mean of FFHQ-like portraits."""

FIGURES = ("eyeglasses", "wearing_hat", "mouth_open", "smile", "jaw_open", "eyes_closed", "squint", "female")
"""Figures of the head, 0 to 1 each. `female` is never reported: it only warns that short hair may be tied back."""


def framing(side: int = SIDE) -> LandmarkCrop:
    """The crop at `side` pixels; 4.3 inter-ocular distances wide, hair and hat inside, black outside the photo."""
    # In units of the side, 0 and 1 are the outer edges; a pixel's centre lies half a pixel inside.
    return LandmarkCrop(f"starter_{side}", tuple((x * side - 0.5, y * side - 0.5) for x, y in POINTS), side)
