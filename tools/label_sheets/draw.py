"""Draw numbered contact sheets: python -m tools.label_sheets.draw WORK ROWS.txt OUT.

WORK is the folder that `tools.train_people.prepare` fills; ROWS lists row numbers of its images.npy, one per line. Each
sheet OUT/000.png shows forty faces, numbered from 0 in reading order, so that a person can write a line for each sheet.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

COLUMNS, LINES = 8, 5
SIDE, NUMBER = 150, 16
"""Pixels: the side of a face, and the height of the line above it that holds its number."""


def draw_sheet(images: np.ndarray) -> np.ndarray:
    """A sheet of at most COLUMNS × LINES faces: (N, S, S, 3) uint8 RGB to (H, W, 3) uint8 RGB."""
    sheet = np.full((LINES * (SIDE + NUMBER), COLUMNS * SIDE, 3), 255, np.uint8)
    for number, image in enumerate(images):
        line, column = divmod(number, COLUMNS)
        top, left = line * (SIDE + NUMBER), column * SIDE
        sheet[top + NUMBER : top + NUMBER + SIDE, left : left + SIDE] = cv2.resize(
            image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        cv2.putText(sheet, str(number), (left + 2, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def main() -> None:
    """Draw all sheets."""
    parser = argparse.ArgumentParser(description="Draw contact sheets of faces to label by eye.")
    parser.add_argument("work", type=Path, help="the folder with images.npy")
    parser.add_argument("rows", type=Path, help="row numbers, one per line")
    parser.add_argument("out", type=Path, help="the folder for the sheets")
    given = parser.parse_args()
    images = np.load(given.work / "images.npy", mmap_mode="r")
    rows = [int(line) for line in given.rows.read_text().split()]
    given.out.mkdir(parents=True, exist_ok=True)
    size = COLUMNS * LINES
    for first in range(0, len(rows), size):
        sheet = draw_sheet(np.stack([images[row] for row in rows[first : first + size]]))
        cv2.imwrite(str(given.out / f"{first // size:03d}.png"), sheet[..., ::-1])


if __name__ == "__main__":
    main()
