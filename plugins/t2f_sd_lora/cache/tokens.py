"""Token cache: captions tokenized once, kept on disk, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core.contracts import Progress
from text2face_core.errors import RunError
from text2face_core.utils import explain, sync_folder

from ..model.tokenizer import POSITIONS, encode_texts, hash_tokenizer, positions_of

if TYPE_CHECKING:
    import torch

    from text2face_core.contracts import CaptionedDataset

FORMAT = 1
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """Statistics of tokenized captions.

    over: captions with more tokens than the encoder has positions; their ends are cut off. longest: tokens of the
    longest caption.
    """

    samples: int
    captions: int
    over: int
    longest: int
    positions: int = POSITIONS

    def __str__(self) -> str:
        share = f"{100 * self.over / max(self.captions, 1):.2g} %" if self.over else "none"
        return f"{self.captions} captions of {self.samples} pictures; {share} longer than {self.positions} tokens" + (
            f" ({self.over} of them, the longest has {self.longest}): their ends are cut off" if self.over else ""
        )


class TokenCache:
    """Token ids of every caption, a file of (captions, positions) uint16 or uint32, and each caption's style."""

    def __init__(self, folder: Path, empty: npt.NDArray[np.int64]) -> None:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.counts = Counts(**about["counts"])
        self._empty = empty
        self.style_names: list[str] = about["styles"]
        self._dtype: str = about["dtype"]
        self._map: npt.NDArray[Any] | None = None
        self._styles = np.fromfile(folder / "styles", np.uint16)
        self._starts = np.fromfile(folder / "starts", np.int64)

    @classmethod
    def open(
        cls, folder: Path, tokenizer: Any, dataset: CaptionedDataset, progress: Progress | None = None
    ) -> TokenCache:
        """The cache in `folder` for this tokenizer (with the pad token that it has now) and these captions.

        The cache is created if it does not exist; of several processes, the first creates it and the others wait.
        Raises RunError when it cannot be written.
        """
        from filelock import FileLock

        positions = positions_of(tokenizer)
        made = {"tokenizer": hash_tokenizer(tokenizer), "captions": dataset.fingerprint, "format": FORMAT}
        key = hashlib.blake2b(json.dumps(made, sort_keys=True).encode(), digest_size=8).hexdigest()
        target = folder / f"tokens-{key}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f".tokens-{key}.lock"):
                if not (target / "about.json").is_file():
                    _make(target, tokenizer, dataset, positions, progress)
        except OSError as error:
            raise RunError(explain(error, target)) from error
        return cls(target, np.array(encode_texts(tokenizer, [""])[0][0], np.int64))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def styles(self, index: int) -> tuple[str, ...]:
        """The style of each of the sample's captions."""
        start, end = self._starts[index : index + 2]
        return tuple(self.style_names[style] for style in self._styles[start:end])

    def ids(self, index: int, caption: int) -> torch.Tensor:
        """(positions,) int64: the tokens of a caption of the sample, cut and padded."""
        import torch

        start, end = self._starts[index : index + 2]
        if not 0 <= caption < end - start:
            raise IndexError(f"caption {caption} of sample {index}, which has {end - start}")
        return torch.from_numpy(self._ids[start + caption].astype(np.int64))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}  # a memory map would be pickled as an array

    @property
    def _ids(self) -> npt.NDArray[Any]:
        if self._map is None:
            shape = (self.counts.captions, self.counts.positions)
            self._map = np.memmap(self.folder / "ids", self._dtype, "r", shape=shape)
        return self._map

    @property
    def empty(self) -> torch.Tensor:
        """(positions,) int64: the tokens of the empty caption, which replaces a dropped caption."""
        import torch

        return torch.from_numpy(self._empty.copy())


def _make(target: Path, tokenizer: Any, dataset: CaptionedDataset, positions: int, progress: Progress | None) -> None:
    for left in target.parent.glob(f".{target.name}.tmp*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.mkdir()
    dtype = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    styles: dict[str, int] = {}
    starts = np.zeros(len(dataset) + 1, np.int64)
    over = longest = 0
    if progress:
        progress.start("tokenizing captions of", len(dataset))
    try:
        with (temporary / "ids").open("wb") as ids_file, (temporary / "styles").open("wb") as styles_file:
            for first in range(0, len(dataset), AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, len(dataset)))
                captions = [dataset.captions(number) for number in numbers]
                starts[numbers[0] + 1 : numbers[-1] + 2] = [len(one) for one in captions]
                flat = list(chain.from_iterable(captions))
                rows, lengths = encode_texts(tokenizer, [text for text, _ in flat])
                np.array(rows, dtype).tofile(ids_file)
                np.array([styles.setdefault(style, len(styles)) for _, style in flat], np.uint16).tofile(styles_file)
                over += sum(length > positions for length in lengths)
                longest = max(longest, *lengths)
                if progress:
                    progress.advance(len(numbers))
    finally:
        if progress:
            progress.finish()
    np.cumsum(starts, out=starts)
    starts.tofile(temporary / "starts")
    counts = Counts(len(dataset), int(starts[-1]), over, longest, positions)
    about = {"counts": asdict(counts), "styles": list(styles), "dtype": np.dtype(dtype).name}
    (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
    for path in temporary.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    sync_folder(target.parent)
