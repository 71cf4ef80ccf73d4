"""How often what the starter analyser says is what hand-drawn masks say, finding by finding.

    python benchmarks/starter_findings.py CELEBAMASK

CELEBAMASK: see benchmarks/starter.py. The rules that turn masks into findings are the same for both sides, so this
measures the network, not the rules; eyeglasses and hat are there where the hand mask shows them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from starter import SIDE, aligned, build, portrait_of
from t2f_starter.signature import framing

from text2face_core import Finding, Portrait
from text2face_core.images.regions import ParsedFace, Region, Thresholds, derive, worn

CLEAR = 0.8
"""The hand mask's findings count from this score: nearer to a threshold, either answer is right."""


def by_hand(portrait: Portrait, mask: np.ndarray) -> dict[str, Finding]:
    """What the hand mask says clearly."""
    regions = aligned(portrait, mask)
    face = ParsedFace.of(portrait, framing(SIDE), np.where(regions == 255, Region.BACKGROUND, regions))
    limits = Thresholds(said_from=CLEAR)
    return {finding.name: finding for finding in [*derive(face, limits), *worn(face, limits)]}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("masks", type=Path, help="a folder with images/ and masks/")
    folder = parser.parse_args().masks
    cv2.setNumThreads(1)
    tools = build()
    there: Counter[str] = Counter()
    said: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for path in sorted((folder / "images").glob("*.jpg")):
        portrait = portrait_of(tools, path)
        if portrait is None:
            continue
        truth = by_hand(portrait, np.asarray(Image.open(folder / "masks" / f"{path.stem}.png")))
        seen = {finding.name: finding for finding in tools.starter.extract([portrait])[0]}
        for name, finding in truth.items():
            there[name] += 1
            if name in seen:
                said[name] += 1
                right[name] += seen[name].value == finding.value
    print("| finding | clear by hand on | said on | right |\n|---|---|---|---|")
    for name in sorted(there):
        share = f"{right[name] / said[name]:.0%}" if said[name] else "-"
        print(f"| {name} | {there[name]} | {said[name]} | {share} |")


if __name__ == "__main__":
    main()
