"""What is trained on: pictures and captions in the form in which steps take them, and which of them are held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._crops import Size, buckets
from ._draws import held_out
from ._latents import LatentCache
from ._live import LiveMoments
from ._readable import readable
from ._tokens import TokenCache

if TYPE_CHECKING:
    import numpy.typing as npt
    from accelerate import Accelerator

    from text2face_core import Runtime
    from text2face_core.contracts import Progress

    from ._base import Base
    from ._data import Dataset
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
    dataset: Dataset,
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
        if cache.skipped:
            progress.say(f"{cache.skipped} pictures cannot be read and are left out; why, says {cache.skipped_file}")
        if len(cache.sizes) > 1:
            bucket = cache.bucket
    else:
        with accelerator.main_process_first():
            usable = readable(dataset, folder, threads=runtime.threads, progress=progress)
        moments, fingerprint = LiveMoments(dataset, base.vae, Size(resolution, resolution)), dataset.fingerprint
    count = min(options.held_out, len(usable) // LEAST_SHARE)
    apart = usable[held_out(runtime.seed, len(usable), count)]
    trained = np.setdiff1d(usable, apart)
    progress.say(f"{len(trained)} photos to train on" + (f", {count} held out" if count else ""))
    return Material(moments, tokens, trained, apart, bucket, len(dataset) - len(usable), fingerprint)
