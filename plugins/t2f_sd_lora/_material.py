"""What is trained on: pictures and captions in the form in which steps take them, and which of them are held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from text2face_core.dataset import find_readable, skipped_path
from text2face_core.errors import UsageError

from ._crops import Size, buckets
from ._draws import Indices, held_out
from ._latents import LatentCache
from ._live import LiveMoments
from ._tokens import TokenCache

if TYPE_CHECKING:
    import numpy.typing as npt
    from accelerate import Accelerator

    from text2face_core import Runtime
    from text2face_core.contracts import CaptionedDataset, Progress

    from ._base import Base
    from ._feed import Moments
    from .options import SdLoraOptions

LEAST_SHARE = 10
"""No more than one photo of so many is held out."""


@dataclass(frozen=True, slots=True)
class Material:
    """What steps draw from.

    trained, held_out: numbers of samples. bucket: a sample's shape, where there are several.
    skipped: how many pictures could not be read. fingerprint: of pictures and captions.
    """

    moments: Moments
    tokens: TokenCache
    trained: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    bucket: Callable[[int], int] | None
    skipped: int
    fingerprint: str


def gather(
    dataset: CaptionedDataset,
    base: Base,
    resolution: int,
    options: SdLoraOptions,
    runtime: Runtime,
    out: Path,
    accelerator: Accelerator,
    progress: Progress,
) -> Material:
    """Tokenise and encode what is not in the cache yet, each process its part, and set photos for validation apart."""
    folder = Path(options.cache).expanduser() if options.cache else out / "cache"
    tokens = TokenCache.open(folder, base.tokenizer, dataset, progress)
    progress.say(str(tokens.counts))
    if dataset.without_captions:
        progress.say(f"{dataset.without_captions} pictures have no caption and are left out")
    check_styles(options.styles, tokens, progress)
    bucket: Callable[[int], int] | None = None
    moments: Moments
    if options.cache_latents:
        cache = LatentCache.open(
            folder,
            base.vae,
            dataset,
            buckets(resolution, options.bucket_aspect),
            flip=options.flip,
            threads=runtime.threads,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
            wait=accelerator.wait_for_everyone,
            progress=progress,
        )
        moments, usable, fingerprint = cache, cache.usable, cache.fingerprint
        contents, named = cache.contents, cache.skipped_file
        if len(cache.sizes) > 1:
            bucket = cache.bucket
    else:
        with accelerator.main_process_first():
            usable = find_readable(dataset, folder, threads=runtime.threads, progress=progress)
        moments, fingerprint = LiveMoments(dataset, base.vae, Size(resolution, resolution)), dataset.fingerprint
        stamps = b"".join(dataset.image(number).stamp() for number in usable.tolist())
        contents, named = np.frombuffer(stamps, np.uint64)[::2], skipped_path(folder, dataset)
    if skipped := len(dataset) - len(usable):
        progress.say(f"{skipped} pictures cannot be read and are left out; why, says {named}")
    trained, apart = split(runtime.seed, len(dataset), usable, contents, options.held_out)
    twins = len(usable) - len(trained) - len(apart)
    progress.say(
        f"{len(trained)} photos to train on"
        + (f", {len(apart)} held out" if len(apart) else "")
        + (f", and {twins} left out that show the same as these" if twins else "")
    )
    return Material(moments, tokens, trained, apart, bucket, skipped, fingerprint)


def split(seed: int, n: int, usable: Indices, contents: npt.NDArray[np.uint64], wanted: int) -> tuple[Indices, Indices]:
    """The samples to train on and those held out: `wanted` different pictures, at most a tenth of all.

    A picture that is listed several times, as where each line has one caption, is on one side only.
    n: of the data set; usable: its samples that can be read; contents: what the picture of each is known by.
    """
    different = usable[np.sort(np.unique(contents, return_index=True)[1])]
    apart = held_out(seed, n, min(wanted, len(different) // LEAST_SHARE), different)
    return usable[~np.isin(contents, contents[np.isin(usable, apart)])], apart


def check_styles(styles: Mapping[str, float], tokens: TokenCache, progress: Progress) -> None:
    """Raises UsageError where no caption is of a style that was asked for; says so where one of several is missing."""
    wanted = [style for style, share in styles.items() if share > 0]
    if not (missing := [style for style in wanted if style not in tokens.style_names]):
        return
    has = ", ".join(style or "no style" for style in tokens.style_names)
    told = f"no caption is of the style {' or '.join(missing)} that sd_lora.styles asks for; captions have: {has}"
    if len(missing) == len(wanted):
        raise UsageError(told)
    progress.say(told)
