"""The network's classes, in the order of its outputs, and what each counts as.

The order differs from the numbers of CelebAMask-HQ's own masks. "ear_r" are earrings, "neck_l" is a necklace. Left and
right are the person's.
"""

from __future__ import annotations

import numpy as np

from text2face_core.images import Region

REGIONS = {
    "background": Region.BACKGROUND,
    "skin": Region.SKIN,
    "l_brow": Region.SKIN,
    "r_brow": Region.SKIN,
    "l_eye": Region.EYES,
    "r_eye": Region.EYES,
    "eye_g": Region.GLASSES,
    "l_ear": Region.SKIN,
    "r_ear": Region.SKIN,
    "ear_r": Region.BACKGROUND,
    "nose": Region.NOSE,
    "mouth": Region.MOUTH,
    "u_lip": Region.LIPS,
    "l_lip": Region.LIPS,
    "neck": Region.SKIN,
    "neck_l": Region.BACKGROUND,
    "cloth": Region.BACKGROUND,
    "hair": Region.HAIR,
    "hat": Region.HAT,
}
CLASSES = tuple(REGIONS)
NUMBERS = {name: number for number, name in enumerate(CLASSES)}
TABLE = np.array([*REGIONS.values()], np.uint8)
"""(19,): the `Region` of each class."""
