"""Portraits with their masks and captions on one picture, to look at: what is wrong about something visible?

    python benchmarks/starter_sheet.py OUT.jpg PHOTO… [--columns 5] [--findings]

Prints each caption (with --findings: each finding) beside the number that the picture shows.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import t2f_photo
import t2f_phrasebook
from starter import build, portrait_of

from text2face_core import FusionRequest, Portrait, Runtime
from text2face_core.language.bag import BagSettings, draw_bag
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.models import ModelStore
from text2face_core.regions import Region
from text2face_core.streams import random_stream

SIDE = 256
LINES = 7
COLOURS = {
    Region.SKIN: (255, 170, 150), Region.HAIR: (150, 90, 30), Region.HAT: (0, 190, 0), Region.GLASSES: (0, 60, 255),
    Region.EYES: (255, 255, 0), Region.NOSE: (200, 150, 255), Region.LIPS: (255, 0, 0), Region.MOUTH: (255, 255, 255),
}  # fmt: skip


def tile(portrait: Portrait, regions: np.ndarray, text: str) -> np.ndarray:
    """The network's view of one portrait, beside its masks, above a text: (H, W, 3) uint8 RGB."""
    from t2f_starter.signature import framing

    crop = portrait.crop(framing(SIDE))
    painted = np.full((*regions.shape, 3), 60, np.uint8)
    for region, colour in COLOURS.items():
        painted[regions == region] = colour
    painted = cv2.resize(painted, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    masks = cv2.addWeighted(crop, 0.35, painted, 0.65, 0)
    words = np.full((LINES * 16 + 8, 2 * SIDE, 3), 255, np.uint8)
    for row, line in enumerate(textwrap.wrap(text, 78)[:LINES]):
        cv2.putText(words, line, (4, 16 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([np.hstack([crop, masks]), words])


def caption_of(findings: list[Any], vocabulary: Vocabulary, fuser: Any, name: str) -> str:
    """One long caption that says all findings."""
    bag = draw_bag(findings, vocabulary, BagSettings(), random_stream(0, name, "bag", 0))
    return str(fuser.fuse([FusionRequest(name, name, 0, bag, "long", 1)])[0][0])


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--findings", action="store_true")
    given = parser.parse_args()
    tools, vocabulary, runtime = build(), Vocabulary.load(), Runtime(ModelStore())
    (about_photo,) = (component.build(component.options(), runtime) for component in t2f_photo.t2f_extractors())
    (fuser,) = (component.build(component.options(), runtime) for component in t2f_phrasebook.t2f_fusers())
    tiles = []
    for path in given.photos:
        portrait = portrait_of(tools, path)
        if portrait is None:
            continue
        findings = [f for one in (tools.agegender, tools.starter, about_photo) for f in one.extract([portrait])[0]]
        said = [f for f in findings if f.value is not False]
        text = caption_of(findings, vocabulary, fuser, path.stem)
        if given.findings:
            text = ", ".join(f.name + ("" if f.value is True else f"={f.value}") + f" {f.score:.2f}" for f in said)
        ((face, _),) = tools.starter.parse([portrait])
        print(f"{len(tiles) + 1:3} {path.name}: {text}")
        tiles.append(tile(portrait, face.regions, f"{len(tiles) + 1}. {text}"))
    while len(tiles) % given.columns:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[start : start + given.columns]) for start in range(0, len(tiles), given.columns)]
    cv2.imwrite(str(given.out), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
