"""Captions as the text encoder reads them: tokenised once, kept on disk, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core.contracts import CaptionedDataset, Progress
from text2face_core.errors import RunError
from text2face_core.utils import explain, sync_folder

if TYPE_CHECKING:
    import torch


FORMAT = 1
AT_ONCE = 1000
POSITIONS = 77


@dataclass(frozen=True, slots=True)
class Counts:
    """What was tokenised.

    over: captions with more tokens than the encoder has positions, whose ends are cut off. longest: caption, in tokens.
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
    """Token ids of every caption, (captions, positions) uint16 or uint32 in one file, and each caption's style."""

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

        It is made where it is not there; of several processes one makes it and the others wait.
        Raises RunError where it cannot be written.
        """
        from filelock import FileLock

        positions = positions_of(tokenizer)
        made = {"tokenizer": tokenizer_hash(tokenizer), "captions": dataset.fingerprint, "format": FORMAT}
        key = hashlib.blake2b(json.dumps(made, sort_keys=True).encode(), digest_size=8).hexdigest()
        target = folder / f"tokens-{key}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f".tokens-{key}.lock"):
                if not (target / "about.json").is_file():
                    _make(target, tokenizer, dataset, positions, progress)
        except OSError as error:
            raise RunError(explain(error, target)) from error
        return cls(target, np.array(encode(tokenizer, [""])[0][0], np.int64))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def styles(self, index: int) -> tuple[str, ...]:
        """The style of each of the sample's captions; as many as it has captions."""
        start, end = self._starts[index : index + 2]
        return tuple(self.style_names[style] for style in self._styles[start:end])

    def ids(self, index: int, caption: int) -> torch.Tensor:
        """(positions,) int64: the tokens of one of the sample's captions, cut and padded."""
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
        """(positions,) int64: the tokens of the empty caption, which stands for a dropped one."""
        import torch

        return torch.from_numpy(self._empty.copy())


def positions_of(tokenizer: Any) -> int:
    """How many tokens a caption is cut or padded to: the tokenizer's own limit, 77 where it states none."""
    limit = int(getattr(tokenizer, "model_max_length", POSITIONS))
    return limit if 2 < limit <= 4096 else POSITIONS


def encode(tokenizer: Any, texts: list[str]) -> tuple[list[list[int]], list[int]]:
    """Token ids of each text, cut and padded to the positions, and how many tokens each had before."""
    positions = positions_of(tokenizer)
    whole = tokenizer(texts, padding=False, truncation=False, verbose=False)["input_ids"]
    pad = tokenizer.pad_token_id
    rows = [ids if len(ids) <= positions else [*ids[: positions - 1], tokenizer.eos_token_id] for ids in whole]
    return [ids + [pad] * (positions - len(ids)) for ids in rows], [len(ids) for ids in whole]


def tokenizer_hash(tokenizer: Any) -> str:
    """32 hexadecimal digits that change with whatever may change a token: vocabulary, rules, special tokens, length."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend is not None else {"vocab": tokenizer.get_vocab()}
    rules = {name: rule for name, rule in rules.items() if name not in {"padding", "truncation"}}
    told = [rules, encode(tokenizer, ["", "A 34-year-old woman."])[0], positions_of(tokenizer)]
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


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
        progress.start("tokenising captions of", len(dataset))
    try:
        with (temporary / "ids").open("wb") as ids_file, (temporary / "styles").open("wb") as styles_file:
            for first in range(0, len(dataset), AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, len(dataset)))
                captions = [dataset.captions(number) for number in numbers]
                starts[numbers[0] + 1 : numbers[-1] + 2] = [len(one) for one in captions]
                flat = list(chain.from_iterable(captions))
                rows, lengths = encode(tokenizer, [text for text, _ in flat])
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


# --- the pad token -----------------------------------------------------------------------------------------------

PAD_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def declared_pads(folder: Path) -> dict[str, str]:
    """What each file of a tokenizer's folder calls the pad token; files that say nothing are left out."""
    found = {}
    for name in PAD_FILES:
        try:
            token = json.loads((folder / name).read_text(encoding="utf-8")).get("pad_token")
        except (OSError, ValueError, AttributeError):
            continue
        if token:
            found[name] = token["content"] if isinstance(token, Mapping) else str(token)
    return found


def settle_pad(tokenizer: Any, folder: Path | None = None, wanted: int | None = None) -> str:
    """Make `tokenizer` pad with the id that the base model was trained with; returns a line for the user, or nothing.

    wanted: 0 for Stable Diffusion 2.x, whose text encoder is OpenCLIP's, the end token for 1.x; None: what the
    tokenizer says, unless the files in `folder` contradict each other. Those of SD 2.1 do: tokenizer_config.json has
    "<|endoftext|>", special_tokens_map.json "!" (id 0), and which one wins depends on the version of transformers.
    """
    before = tokenizer.pad_token
    declared = declared_pads(folder) if folder else {}
    if wanted is not None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(wanted)
    elif len(set(declared.values())) > 1:
        tokenizer.pad_token = declared["special_tokens_map.json"]
    if tokenizer.pad_token == before:
        return ""
    said = " and ".join(f"{token} in {name}" for name, token in declared.items())
    return (
        f"captions are padded with {tokenizer.pad_token!r} (id {tokenizer.pad_token_id}), as the base model was "
        f"trained, and not with {before!r}" + (f" (the tokenizer's files say {said})" if said else "")
    )
