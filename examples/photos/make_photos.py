"""Draw the twelve example portraits again: python make_photos.py PATH_TO/random_face/data OUT.

The first folder is inside the wheel random-face 2021.7.21.1 (a wheel is a zip file). Needs openvino, numpy and pillow.
Another processor may round differently: the same pictures, but other bytes.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino as ov
from PIL import Image, ImageFilter


class Photo(NamedTuple):
    """What to draw, and how to store it."""

    seed: int
    truncation: float  # 1.0 is the full variety, 0.0 the mean face
    height: int
    left: float | None = None  # where a 4:5 crop begins, as a share of the width; None keeps the square
    grey: bool = False
    blur: float = 0.0  # Gaussian radius, in stored pixels


PHOTOS = (
    Photo(310, 0.8, 640),
    Photo(32, 1.0, 768),
    Photo(312, 1.0, 512),
    Photo(29, 0.9, 640),
    Photo(5, 0.9, 512),
    Photo(114, 0.8, 640, grey=True),
    Photo(139, 0.7, 640),
    Photo(93, 0.9, 640, left=0.13),  # cuts off the speckled edge of the cap
    Photo(227, 0.7, 640, left=0.1),
    Photo(122, 0.8, 640, left=0.1),
    Photo(42, 0.8, 720),
    Photo(242, 0.8, 640, blur=3.0),
)


def load(data: Path, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """One network of the generator, as a function of one batch: 512 numbers to a style, or a style to pixels."""
    network = ov.Core().compile_model(data / f"{name}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda values: network(values.astype(np.float32))[0].copy()


def finish(image: Image.Image, photo: Photo) -> Image.Image:
    """Crop, scale, and make grey or blurred, as the photo asks."""
    width, left, right = photo.height, 0.0, 1.0
    if photo.left is not None:
        width, left, right = photo.height * 4 // 5, photo.left, photo.left + 0.8
    box = (left * image.width, 0, right * image.width, image.height)
    image = image.resize((width, photo.height), Image.Resampling.LANCZOS, box)
    if photo.grey:
        image = image.convert("L").convert("RGB")
    return image.filter(ImageFilter.GaussianBlur(photo.blur)) if photo.blur else image


def main() -> None:
    """Draw and store all twelve."""
    parser = argparse.ArgumentParser(description="Draw the twelve example portraits again.")
    parser.add_argument("data", type=Path, help="the folder random_face/data of the wheel")
    parser.add_argument("out", type=Path, help="where the portraits go")
    folders = parser.parse_args()
    folders.out.mkdir(parents=True, exist_ok=True)
    mapping, synthesis = load(folders.data, "MappingNetwork"), load(folders.data, "SynthesisNetwork")
    mean = np.mean([mapping(noise[None]) for noise in np.random.default_rng(0).standard_normal((4096, 512))], axis=0)
    for number, photo in enumerate(PHOTOS, start=1):
        style = mapping(np.random.default_rng(photo.seed).standard_normal((1, 512)))
        pixels = synthesis(mean + photo.truncation * (style - mean))[0].transpose(1, 2, 0)  # RGB, -1 to 1
        image = Image.fromarray(np.clip((pixels + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8))
        finish(image, photo).save(folders.out / f"portrait-{number:02}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
