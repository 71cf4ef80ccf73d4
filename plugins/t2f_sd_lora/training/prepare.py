"""Prepare training data: tokens and latents of all captioned photos, and which photos are held out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core.dataset import find_readable, skipped_path
from text2face_core.errors import UsageError
from text2face_core.training import Indices, split_held_out

from ..cache.crops import Size, buckets
from ..cache.latents import EncodingShare, LatentCache, LatentFormat
from ..cache.tokens import TokenCache
from ..cache.uncached import UncachedLatents

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset, Progress
    from text2face_core.dataset import ImageRef
    from text2face_core.training import TrainingContext

    from ..model.base import StableDiffusion
    from ..options import SdLoraOptions
    from .loader import LatentSource


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Latents, tokens, and the numbers of the samples to train and to validate on.

    usable: numbers of the samples whose picture can be read. versions: a number for each that changes when the picture
    does; by its pixels if `by_content`, else by size and date of its file.
    trained, held_out: numbers of samples. bucket: the number of a sample's shape, None when all have the same shape.
    skipped: how many pictures could not be read. fingerprint: of pictures and captions. resolution: in pixels.
    """

    latents: LatentSource
    tokens: TokenCache
    usable: Indices
    versions: npt.NDArray[np.uint64]
    by_content: bool
    trained: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    bucket: Callable[[int], int] | None
    skipped: int
    fingerprint: str
    resolution: int


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures that can be used.

    usable: numbers of samples. contents: a number for each of them that stands for its pixels or its file.
    versions: see `TrainingData`.
    reasons: the file that says why others cannot be read.
    """

    latents: LatentSource
    usable: Indices
    contents: npt.NDArray[np.uint64]
    versions: npt.NDArray[np.uint64]
    fingerprint: str
    reasons: Path
    bucket: Callable[[int], int] | None = None


def cache_folder(context: TrainingContext[SdLoraOptions]) -> Path:
    """The folder of cached latents and tokens."""
    return Path(context.options.cache).expanduser() if context.options.cache else context.out / "cache"


def prepare_data(
    context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset, base: StableDiffusion, resolution: int
) -> TrainingData:
    """Tokenize and encode what is not cached yet, each process its share, and hold photos out for validation.

    Raises UsageError when there is nothing to train on.
    """
    options, progress = context.options, context.progress
    tokens = TokenCache.open(cache_folder(context), base.tokenizer, dataset, progress)
    progress.say(str(tokens.counts))
    if dataset.without_captions:
        progress.say(f"{dataset.without_captions} pictures have no caption and are left out")
    check_styles(options.styles, tokens, progress)
    open_pictures = _encode_pictures if options.cache_latents else _check_pictures
    pictures = open_pictures(context, dataset, base, resolution)
    if skipped := len(dataset) - len(pictures.usable):
        progress.say(f"{skipped} pictures cannot be read and are left out; the reasons are in {pictures.reasons}")
    trained, held_out = split_held_out(
        context.runtime.seed, len(dataset), pictures.usable, pictures.contents, options.held_out
    )
    duplicates = len(pictures.usable) - len(trained) - len(held_out)
    progress.say(
        f"{len(trained)} photos to train on"
        + (f", {len(held_out)} held out" if len(held_out) else "")
        + (f", and {duplicates} left out that are copies of these" if duplicates else "")
    )
    return TrainingData(
        latents=pictures.latents,
        tokens=tokens,
        usable=pictures.usable,
        versions=pictures.versions,
        by_content=options.cache_latents,
        trained=trained,
        held_out=held_out,
        bucket=pictures.bucket,
        skipped=skipped,
        fingerprint=pictures.fingerprint,
        resolution=resolution,
    )


def _encode_pictures(
    context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset, base: StableDiffusion, resolution: int
) -> _Pictures:
    """All latents, from the cache."""
    options, accelerator = context.options, context.accelerator
    form = LatentFormat(buckets(resolution, options.bucket_aspect), flip=options.flip)
    share = EncodingShare(
        threads=context.runtime.threads,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        wait=accelerator.wait_for_everyone,
        progress=context.progress,
    )
    cache = LatentCache.open(cache_folder(context), base.vae, dataset, form, share)
    bucket = cache.bucket if len(cache.sizes) > 1 else None
    return _Pictures(cache, cache.usable, cache.contents, cache.contents, cache.fingerprint, cache.skipped_file, bucket)


def _check_pictures(
    context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset, base: StableDiffusion, resolution: int
) -> _Pictures:
    """Latents that are computed at each use; each picture is only checked once for whether it can be read."""
    folder = cache_folder(context)
    with context.accelerator.main_process_first():
        usable = find_readable(dataset, folder, threads=context.runtime.threads, progress=context.progress)
    latents = UncachedLatents(dataset, base.vae, Size(resolution, resolution))
    stamps = b"".join(dataset.image(number).stamp() for number in usable.tolist())
    contents = np.frombuffer(stamps, np.uint64)[::2]
    versions = np.array([_file_version(dataset.image(number)) for number in usable.tolist()], np.uint64)
    return _Pictures(latents, usable, contents, versions, dataset.fingerprint, skipped_path(folder, dataset))


def _file_version(picture: ImageRef) -> int:
    """From size and date of the file, not from its folder: a data set may be moved."""
    try:
        status = os.stat(picture.path)  # noqa: PTH116  called for each of a million pictures
        about = (status.st_size, status.st_mtime_ns, picture.offset, picture.size)
    except (OSError, ValueError):
        return 0
    return int.from_bytes(hashlib.blake2b(repr(about).encode(), digest_size=8).digest(), "little")


def check_styles(styles: Mapping[str, float], tokens: TokenCache, progress: Progress) -> None:
    """Raise UsageError when no caption has a requested style; report when some of the requested styles are missing."""
    wanted = [style for style, share in styles.items() if share > 0]
    if not (missing := [style for style in wanted if style not in tokens.style_names]):
        return
    has = ", ".join(style or "no style" for style in tokens.style_names)
    message = f"no caption has the style {' or '.join(missing)} that sd_lora.styles requests; captions have: {has}"
    if len(missing) == len(wanted):
        raise UsageError(message)
    progress.say(message)
