"""What the starter sees on photos of yours, to look at: each as the network sees it, with its masks and a caption.

python benchmarks/starter_sheet.py PHOTOS OUT.jpg [--most 20] [--across 5]
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from starter import Tools, build, portrait_of

from text2face_core import Portrait, caption_photos
from text2face_core.images.regions import Region

SIDE, TEXT = 256, 120
COLOURS = {
    Region.BACKGROUND: (60, 60, 60), Region.SKIN: (255, 160, 140), Region.HAIR: (160, 90, 20), Region.HAT: (0, 190, 60),
    Region.GLASSES: (30, 60, 230), Region.EYES: (190, 220, 0), Region.NOSE: (180, 160, 255), Region.LIPS: (230, 0, 0),
    Region.MOUTH: (255, 255, 255),
}  # fmt: skip
PALETTE = np.array([COLOURS[region] for region in Region], np.float32)
SHARE = {Region.BACKGROUND: 0.6, Region.LIPS: 0.9, Region.MOUTH: 0.7}
"""How much of a mask's colour covers the picture; 0.55 unless it stands here."""
COVER = np.array([SHARE.get(region, 0.55) for region in Region], np.float32)[:, None]


def cell(tools: Tools, portrait: Portrait, title: str) -> Image.Image:
    """The crop, the crop under its masks, and the caption below."""
    ((face, _),) = tools.starter.parse([portrait])
    pixels = face.pixels.astype(np.float32)
    masked = pixels * (1 - COVER[face.regions]) + PALETTE[face.regions] * COVER[face.regions]
    made = Image.new("RGB", (2 * SIDE, SIDE + TEXT), "white")
    for place, picture in enumerate((pixels, masked)):
        enlarged = Image.fromarray(picture.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        made.paste(enlarged, (place * SIDE, 0))
    said = "\n".join(textwrap.wrap(title, 58))
    ImageDraw.Draw(made).text((6, SIDE + 6), said, "black", ImageFont.load_default(15))
    return made


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="photos or folders, and last the picture to write")
    parser.add_argument("--most", type=int, default=20, help="photos at most")
    parser.add_argument("--across", type=int, default=5, help="photos in a row")
    given = parser.parse_args()
    *sources, out = given.photos
    files = [file for source in sources for file in (sorted(source.glob("*.jpg")) if source.is_dir() else [source])]
    files = [file.absolute() for file in files[: given.most]]
    if not files:
        parser.error("name photos or folders of .jpg files, and last the picture to write")
    tools, cells = build(), []
    said = {
        row.uri: captions[0].text if captions else f"({row.reason})"
        for row, captions in caption_photos(files, settings=["captions.styles={long=1.0}", "captions.per_photo=1"])
    }
    for number, file in enumerate(files, 1):
        portrait = portrait_of(tools, file)
        if portrait is not None:
            cells.append(cell(tools, portrait, f"{number}. {said[str(file)]}"))
    if not cells:
        parser.error("no face was found in these photos")
    width, height = cells[0].size
    rows = -(-len(cells) // given.across)
    sheet = Image.new("RGB", (width * min(given.across, len(cells)), height * rows), "white")
    for place, one in enumerate(cells):
        sheet.paste(one, (place % given.across * width, place // given.across * height))
    sheet.save(out, quality=88)


if __name__ == "__main__":
    main()
