"""Which LoRA file, and which base model under it."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from text2face_core.errors import ArtifactError

from . import lora_files as _lora_files

if TYPE_CHECKING:
    from ..options import SdLoraOptions
    from .base import Base
    from .lora_files import Lora

SAMPLED = 1 << 16
"""Bytes of each file's beginning and end that a base model in a folder is told by."""


def told_by(lora: Lora, path: Path) -> dict[str, str]:
    """What our own files say of themselves; where the base was in a folder, train.toml beside them says in which."""
    own = _lora_files.OWN
    told = {name.removeprefix(own): text for name, text in lora.metadata.items() if name.startswith(own)}
    try:
        base = tomllib.loads((path.parent / "train.toml").read_text(encoding="utf-8"))["options"]["base"]
    except (OSError, ValueError, KeyError, TypeError):
        return told
    return {**told, "base": base} if Path(base).name == Path(told.get("base", "")).name else told


def choose_base(options: SdLoraOptions, told: Mapping[str, str]) -> tuple[str, str | None]:
    """Name and revision: of the base that was asked for, else of the one that the LoRA was trained on.

    Raises ArtifactError where that one was in a folder that is gone.
    """
    if "base" in options.model_fields_set or "base" not in told:
        return options.base, options.pinned
    base = told["base"]
    if (Path(base).is_absolute() or "/" not in base) and not Path(base).is_dir():
        raise ArtifactError(
            f"this LoRA was trained on a base model in a folder called {Path(base).name}, which is not where it was: "
            "name the folder with --base"
        )
    return told["base"], options.revision or told.get("revision") or None


def differences(base: Base, told: Mapping[str, str], name: str) -> list[str]:
    """What the user should know where the LoRA was trained on another base model."""
    found = []
    if told.get("prediction", base.prediction) != base.prediction:
        found.append(
            f"{name} was trained on a model that predicts {told['prediction']}, and {base.name} predicts "
            f"{base.prediction}: what it draws may be noise"
        )
    elif told.get("base") and shown(told["base"]) != shown(base.name):
        found.append(f"{name} was trained on {shown(told['base'])}, and draws with {shown(base.name)}")
    return found


def find_lora(model: str, *, offline: bool) -> Path:
    """The LoRA's file, fetched where need be: of a folder or file, else "owner/name[/file][@revision]" of the hub."""
    path = Path(model).expanduser()
    if path.exists():
        if path.is_dir() and not any(path.glob("*.safetensors")) and any(path.glob("checkpoints/*.safetensors")):
            raise ArtifactError(
                f"the training in {path} has not ended: it has checkpoints and no {_lora_files.NAME} yet. Let it go on "
                "with the same t2f train command"
            )
        return _lora_files.find(path)
    found = re.fullmatch(r"(?P<id>[\w.-]+/[\w.-]+)(?:/(?P<file>[^@]+))?(?:@(?P<revision>[\w./-]+))?", model)
    if not found:
        raise ArtifactError(
            f'there is no LoRA {model}: give a folder or file here, "owner/name" of Hugging Face, or none'
        )
    return _from_hub(found["id"], found["file"], found["revision"], offline=offline)


def _from_hub(name: str, file: str | None, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import constants, hf_hub_download

    offline = offline or constants.HF_HUB_OFFLINE
    try:
        file = file or _only(_listing(name, revision, offline=offline), name)
        return Path(hf_hub_download(name, file, revision=revision, local_files_only=offline))
    except ArtifactError:
        raise
    except Exception as error:  # the hub's library lets those of its HTTP client through, whose kind changes with it
        said = (str(error) or repr(error)).splitlines()[0]
        why = "it is not on this machine, and nothing is fetched (offline)" if offline else said
        raise ArtifactError(
            f"no folder or file is called {name}, and from Hugging Face it could not be had: {why}"
        ) from error


def _listing(name: str, revision: str | None, *, offline: bool) -> list[str]:
    """The files of a repository; without a network those that were fetched before."""
    from huggingface_hub import HfApi, snapshot_download

    failure: Exception | None = None
    if not offline:
        try:
            return list(HfApi().list_repo_files(name, revision=revision))
        except Exception as error:  # noqa: BLE001  as above; raised again unless a copy is here
            failure = error
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except OSError as error:
        raise failure or error from None
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]


def _only(files: Sequence[str], name: str) -> str:
    """The one LoRA file among a repository's."""
    weights = [file for file in files if file.endswith(".safetensors")]
    named = [file for file in weights if Path(file).name == _lora_files.NAME]
    for some in (named, weights):
        if len(some) == 1:
            return some[0]
    has = ", ".join(weights[:5]) or "none"
    raise ArtifactError(f"{name} does not hold one LoRA file; safetensors in it: {has}. Name one: {name}/FILE")


def shown(name: str) -> str:
    """The name without the way to it, which is nobody else's business."""
    path = Path(name).expanduser()
    if not path.exists():
        return name
    path = path.absolute()
    if path.is_file():
        return path.parent.name if path.name == _lora_files.NAME else path.stem
    return path.name


def folder_hash(folder: Path) -> str:
    """16 hexadecimal digits of a base model in a folder: from each file's name, size, beginning and end."""
    told = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        size = path.stat().st_size
        told.update(json.dumps([path.relative_to(folder).as_posix(), size]).encode())
        with path.open("rb") as file:
            told.update(file.read(SAMPLED))
            if size > SAMPLED:
                file.seek(-min(SAMPLED, size - SAMPLED), 2)
                told.update(file.read())
    return told.hexdigest()
