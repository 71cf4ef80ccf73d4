"""Inputs and outputs of the network: shared by the plugin and tools/train_people."""

from text2face_core import LandmarkCrop

SIDE = 80
POINTS = ((0.324, 0.306), (0.676, 0.306), (0.5, 0.513), (0.36, 0.687), (0.64, 0.687))
"""Landmarks in the order of `Face.landmarks`, in units of the crop's side: their mean on FairFace's photos."""

EDGES = (0, 3, 10, 20, 30, 40, 50, 60, 70, 101)
"""Years at which FairFace's nine age bands begin, and the end of the last."""
MIDDLES = (1.5, 6.5, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 76.0)
"""The years that represent each band in a mean over bands."""
GENDERS = ("female", "male")
RACES = ("White", "Black", "Indian", "East Asian", "Southeast Asian", "Middle Eastern", "Latino_Hispanic")
"""FairFace's own names, in the order of the network's output."""
FACIAL_HAIR = ("none", "stubble", "mustache", "beard")
LOOKS = (*FACIAL_HAIR, "sunglasses", "headscarf", "eyeglasses")
"""The network's output `looks`: logits of the kinds of facial hair, of which one holds, and two of things worn."""


def framing(side: int = SIDE, margin: float = 1.0) -> LandmarkCrop:
    """The crop at `side` pixels; 2.8 inter-ocular distances wide, the photo's edge repeated outside the photo.

    margin: factor by which the crop is wider, around the same centre.
    """
    # In units of the side, 0 and 1 are the outer edges; a pixel's centre lies half a pixel inside.
    points = tuple(
        (((x - 0.5) / margin + 0.5) * side - 0.5, ((y - 0.5) / margin + 0.5) * side - 0.5) for x, y in POINTS
    )
    return LandmarkCrop(f"people_{side}", points, side, border=None)
