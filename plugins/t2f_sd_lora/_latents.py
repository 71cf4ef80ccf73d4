"""Latents of pictures: encoded once, kept on disk, memory-mapped.

Mean and standard deviation are kept, not a sample, so that every use may draw its own. In float16 a latent sampled
from the cache is off by 2e-4 of its size at most places (relative root mean square; rounding is 4.9e-4 at worst), a
hundredth of what encoding in bfloat16 costs; float32 takes twice the space: 295 kB a picture at 768 pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from text2face_core.contracts import CaptionedDataset, Progress
from text2face_core.dataset import check_some, name_skipped, skipped_path
from text2face_core.errors import BadPhoto, RunError, UsageError
from text2face_core.utils import explain, write_text

from ._crops import Size, cut, nearest
from ._latent_index import DONE, PLANNED, UNREADABLE, Index, Slots
from ._latent_writer import Read, Writer, reasons
from ._vae import shrinking, vae_hash

if TYPE_CHECKING:
    import torch


FORMAT = 1
"""To be raised with any change to how pictures are cut or encoded: it is part of the cache's key."""


class LatentCache:
    """Mean and standard deviation for each picture that could be read, and for its mirror image where that is wanted.

    usable: (M,) int64, the samples whose picture could be read. skipped: how many could not; skipped_file names them.
    fingerprint: changes with the pixels and captions of the usable samples.
    """

    def __init__(
        self,
        folder: Path,
        dataset: CaptionedDataset,
        sizes: Sequence[Size],
        shape: tuple[int, int],
        dtype: str,
        *,
        flip: bool,
    ) -> None:
        self.folder = folder
        self.sizes = tuple(sizes)
        self.flip = flip
        self._dataset = dataset
        self._channels, self._shrinking = shape
        self._dtype = np.dtype(dtype)
        self._floats = max(2 * self._channels * self._area(number) for number in range(len(sizes)))
        self._index = Index(folder / "index")
        self._map: npt.NDArray[Any] | None = None
        self._slots: Slots = np.zeros((0, 1), np.int64)

    @classmethod
    def open(
        cls,
        folder: Path,
        vae: Any,
        dataset: CaptionedDataset,
        sizes: int | Sequence[Size],
        *,
        flip: bool = False,
        dtype: Literal["float16", "float32"] = "float16",
        batch: int = 8,
        threads: int = 1,
        rank: int = 0,
        world: int = 1,
        wait: Callable[[], None] | None = None,
        progress: Progress | None = None,
    ) -> LatentCache:
        """The cache in `folder`, with what was missing encoded.

        sizes: the side of the square, or several sizes (`_crops.buckets`), of which each picture gets the nearest.
        flip: whether mirrored pictures are wanted, too. batch: pictures encoded at once. threads: that read and resize.
        rank, world: this process's number and how many there are; each encodes its part, then calls `wait`, which
        returns when all have. What is done stays done when the process is killed, but for the last few seconds.
        Raises UsageError where the VAE cannot take the size, RunError where the cache cannot be written.
        """
        from filelock import FileLock

        wanted = (Size(sizes, sizes),) if isinstance(sizes, int) else tuple(sizes)
        step = shrinking(vae)
        for size in wanted:
            if size.width % step or size.height % step:
                raise UsageError(
                    f"the VAE takes pictures whose sides are multiples of {step}, not {size.width} x {size.height}"
                )
        about = {"vae": vae_hash(vae), "sizes": [list(size) for size in wanted], "dtype": dtype, "format": FORMAT}
        key = hashlib.blake2b(json.dumps(about).encode(), digest_size=8).hexdigest()
        place = folder / f"latents-{key}"
        try:
            place.mkdir(parents=True, exist_ok=True)
            with FileLock(place / ".lock"):
                if not (place / "about.json").is_file():
                    write_text(place / "about.json", json.dumps(about, indent=1) + "\n")
                cache = cls(place, dataset, wanted, (vae.config.latent_channels, step), dtype, flip=flip)
                cache._plan()
            cache._fill(vae, batch, threads, range(rank, len(dataset), world), progress)
            if wait:
                wait()
            cache._finish(write=rank == 0)
        except OSError as error:
            raise RunError(explain(error, place / "data")) from error
        return cache

    def moments(self, indices: Sequence[int], flips: Sequence[bool] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of samples of one size: two of (N, C, h, w) float32, on the CPU.

        Raises ValueError for samples that are not usable, of several sizes, or mirrored without `flip`.
        """
        import torch

        chosen = [self._slot(index, flip) for index, flip in zip(indices, flips or [False] * len(indices), strict=True)]
        sizes = {self._index.records["size"][slot] for slot in chosen}
        if len(sizes) != 1:
            raise ValueError(f"a batch holds pictures of one size, not of {len(sizes)}")
        size = self.sizes[sizes.pop()]
        shape = (2, self._channels, size.height // self._shrinking, size.width // self._shrinking)
        rows = np.stack([self._data[slot, : np.prod(shape)] for slot in chosen]).astype(np.float32)
        found = torch.from_numpy(rows.reshape(len(chosen), *shape))
        return found[:, 0], found[:, 1]

    def bucket(self, index: int) -> int:
        """The number of the sample's size."""
        return int(self._index.records["size"][self._slot(index, flip=False)])

    @property
    def contents(self) -> npt.NDArray[np.uint64]:
        """(M,): a number for each usable sample that stands for its pixels; equal for equal pictures."""
        contents = self._index.records["content"][self._slots[self.usable, 0]]
        words: npt.NDArray[np.uint64] = np.ascontiguousarray(contents).view("<u8").reshape(-1, 2)[:, 0]
        return words

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}  # a memory map would be pickled as an array

    @property
    def _data(self) -> npt.NDArray[Any]:
        if self._map is None:
            # As long as the file is: another process may be about to give slots to other pictures.
            floats = np.memmap(self.folder / "data", self._dtype, "r")
            self._map = floats[: len(floats) // self._floats * self._floats].reshape(-1, self._floats)
        return self._map

    def _slot(self, index: int, flip: bool) -> int:
        if flip and not self.flip:
            raise ValueError("the cache was opened without mirrored pictures")
        slot = int(self._slots[index, int(flip)])
        if self._index.records["state"][slot] != DONE:
            raise ValueError(f"sample {index} ({self._dataset.key(index)}) has no picture that could be read")
        return slot

    def _area(self, number: int) -> int:
        size = self.sizes[number]
        return (size.width // self._shrinking) * (size.height // self._shrinking)

    # --- making it -------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Give every picture a slot; afterwards `_slots` is (samples, 1 or 2)."""
        stamps = np.frombuffer(b"".join(self._dataset.image(n).stamp() for n in range(len(self._dataset))), "V16")
        flips = (False, True) if self.flip else (False,)
        for flip in flips:
            missing = np.unique(stamps[self._index.find(stamps, flip) < 0])
            if len(missing):
                self._index.plan(missing, flip=flip)
        self._slots = np.stack([self._index.find(stamps, flip) for flip in flips], axis=1)
        # What could not be opened at all may be open now, with the same size and date; what was no picture is none.
        own = np.unique(self._slots)
        unopened = self._index.records["content"][own] == np.void(b"\0" * 16)
        self._index.records["state"][own[unopened]] = PLANNED
        with (self.folder / "data").open("ab") as file:
            if file.tell() < (wanted := len(self._index) * self._floats * self._dtype.itemsize):
                file.truncate(wanted)

    def _fill(self, vae: Any, batch: int, threads: int, numbers: Sequence[int], progress: Progress | None) -> None:
        todo = [n for n in numbers if (self._index.records["state"][self._slots[n]] == PLANNED).any()]
        if not todo:
            return
        if progress:
            progress.start("encoding", len(numbers), len(numbers) - len(todo))
        writer = Writer(self.folder, self._index, self._floats, self._dtype)
        waiting: dict[int, list[Read]] = {}
        try:
            for read in self._reads(todo, threads, ahead=2 * batch + threads):
                if read.reason:
                    writer.refuse(read)
                elif read.copies:
                    writer.copy(read)
                else:
                    group = waiting.setdefault(read.size, [])
                    group.append(read)
                    if len(group) * len(read.slots) >= batch:
                        writer.add(vae, waiting.pop(read.size))
                if progress:
                    progress.advance(1, skipped=int(bool(read.reason)))
            for group in waiting.values():
                writer.add(vae, group)
            writer.commit()
        finally:
            writer.close()
            if progress:
                progress.finish()

    def _reads(self, numbers: Sequence[int], threads: int, ahead: int) -> Iterator[Read]:
        """Pictures in order, read and cut by `threads`, at most `ahead` of them before they are asked for."""
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            pending: deque[Future[Read]] = deque()
            try:
                for number in numbers:
                    pending.append(pool.submit(self._read, number))
                    if len(pending) >= ahead:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _read(self, number: int) -> Read:
        states = self._index.records["state"]
        slots = [(int(slot), bool(flip)) for flip, slot in enumerate(self._slots[number]) if states[slot] == PLANNED]
        read = Read(slots)
        picture = self._dataset.image(number)
        try:
            content = picture.content()
            read.content = picture.digest(content)
            found = [self._index.find_content(read.content, flip=flip) for _, flip in slots]
            if min(found) >= 0:
                read.copies = found
                return read
            pixels = picture.pixels(content)
        except BadPhoto as error:
            read.reason = str(error)
            return read
        read.size = nearest(pixels.shape[1], pixels.shape[0], self.sizes)
        read.pixels = [cut(pixels, self.sizes[read.size], flip=flip) for _, flip in slots]
        return read

    def _finish(self, *, write: bool) -> None:
        self._index.refresh()
        self._map = None
        states = self._index.records["state"][self._slots]
        self.usable = np.flatnonzero((states == DONE).all(axis=1))
        bad = np.flatnonzero((states == UNREADABLE).any(axis=1))
        self.skipped = len(bad)
        self.skipped_file = skipped_path(self.folder, self._dataset)
        contents = self._index.records["content"][self._slots[self.usable, 0]].tobytes()
        self.fingerprint = hashlib.blake2b(contents + self._dataset.fingerprint.encode(), digest_size=16).hexdigest()
        if write:
            why = reasons(self.folder)
            name_skipped(
                self.skipped_file,
                self._dataset,
                {n: why.get(max(self._slots[n].tolist()), "") for n in bad.tolist()},
            )
        if missing := len(states) - len(self.usable) - len(bad):
            raise RunError(f"{missing} pictures were not encoded, as another process stopped: give the command again")
        check_some(self.usable, self._dataset, self.skipped_file)
