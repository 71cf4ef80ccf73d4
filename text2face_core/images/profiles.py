"""From an image's own colours to sRGB: ICC profiles and PNG's gamma."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

CACHED_PROFILE = 1_000_000
"""Bytes of an ICC profile up to which its transform is kept for the next photo."""


def gamma_curve(info: Mapping[Any, Any]) -> list[int] | None:
    """For a PNG with a gAMA chunk, the 256 values that map its samples to sRGB; None if that changes nothing.

    PNG specification, 3rd edition, 11.3.2.2: an sRGB chunk overrides gAMA, and an ICC profile both.
    """
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in info or not 0.05 <= gamma <= 5 or abs(gamma - 1 / 2.2) < 0.02:
        return None
    linear = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [int(value) for value in (encoded * 255 + 0.5).clip(0, 255)]


def profile_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """As `_make_transform`; large profiles are not kept, as they would fill the memory."""
    return (_cached_transform if len(profile) <= CACHED_PROFILE else _make_transform)(profile, mode)


def _make_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from pixels of `mode` with this ICC profile to sRGB.

    None if that changes almost nothing (judged by the colours, as names cannot be trusted), or if the profile is
    broken or for other modes.
    """
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "CMYK":
            return transform
        ramp = np.arange(0, 256, 15).astype(np.uint8)
        every = np.stack(np.meshgrid(ramp, ramp, ramp), -1).reshape(1, -1, 3) if mode == "RGB" else ramp[None]
        colours = Image.fromarray(every)
        change = np.asarray(transform.apply(colours), np.int16) - np.asarray(colours.convert("RGB"), np.int16)
    except Exception:  # noqa: BLE001 - a useless profile, or a Pillow without LittleCMS
        return None
    return transform if np.abs(change).max() > 3 else None


_cached_transform = lru_cache(maxsize=32)(_make_transform)
