"""Find the LoRA file, and the base model that it belongs to."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from text2face_core.errors import ArtifactError

from . import lora_files
from .hub import find_obstacle

if TYPE_CHECKING:
    from ..options import SdLoraOptions
    from .base import StableDiffusion
    from .lora_files import Lora

SAMPLED = 1 << 16
"""Number of bytes from the beginning and the end of each file that the hash of a base model covers."""


def metadata_of(lora: Lora, path: Path) -> dict[str, str]:
    """Our own entries in the file's header; the folder of a local base model comes from train.toml next to the file."""
    own = lora_files.OWN
    metadata = {name.removeprefix(own): text for name, text in lora.metadata.items() if name.startswith(own)}
    try:
        base = tomllib.loads((path.parent / "train.toml").read_text(encoding="utf-8"))["options"]["base"]
    except (OSError, ValueError, KeyError, TypeError):
        return metadata
    return {**metadata, "base": base} if Path(base).name == Path(metadata.get("base", "")).name else metadata


def choose_base(options: SdLoraOptions, metadata: Mapping[str, str]) -> tuple[str, str | None]:
    """Name and revision of the base model in the options, else of the model that the LoRA was trained on.

    metadata: of the LoRA. Raises ArtifactError when the base was in a folder that no longer exists.
    """
    if "base" in options.model_fields_set or "base" not in metadata:
        return options.base, options.pinned
    base = metadata["base"]
    if (Path(base).is_absolute() or "/" not in base) and not Path(base).is_dir():
        raise ArtifactError(
            f"this LoRA was trained on a base model in a folder called {Path(base).name}, which is no longer there: "
            "name the folder with --base"
        )
    return base, options.revision or metadata.get("revision") or None


def describe_differences(base: StableDiffusion, metadata: Mapping[str, str], name: str) -> list[str]:
    """What the user should know when the LoRA was trained on another base model."""
    found = []
    if metadata.get("prediction", base.prediction) != base.prediction:
        found.append(
            f"{name} was trained on a model that predicts {metadata['prediction']}, and {base.name} predicts "
            f"{base.prediction}: its images may be noise"
        )
    elif metadata.get("base") and display_name(metadata["base"]) != display_name(base.name):
        found.append(
            f"{name} was trained on {display_name(metadata['base'])}, and is used with {display_name(base.name)}"
        )
    return found


def find_lora(model: str, *, offline: bool) -> Path:
    """The LoRA's file: a file, in a folder, or downloaded from "owner/name[/file][@revision]" of the hub."""
    path = Path(model).expanduser()
    if path.exists():
        if path.is_dir() and not any(path.glob("*.safetensors")) and any(path.glob("checkpoints/*.safetensors")):
            raise ArtifactError(
                f"the training in {path} is not finished: it has checkpoints and no {lora_files.NAME} yet. Resume it "
                "with the same t2f train command"
            )
        return lora_files.find_file(path)
    found = re.fullmatch(r"(?P<id>[\w.-]+/[\w.-]+)(?:/(?P<file>[^@]+))?(?:@(?P<revision>[\w./-]+))?", model)
    if not found:
        raise ArtifactError(f'there is no LoRA {model}: give a folder or file, "owner/name" of Hugging Face, or none')
    return _from_hub(found["id"], found["file"], found["revision"], offline=offline)


def _from_hub(name: str, file: str | None, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download

    obstacle = find_obstacle(offline=offline)
    offline = obstacle is not None
    try:
        file = file or _only(_listing(name, revision, offline=offline), name)
        return Path(hf_hub_download(name, file, revision=revision, local_files_only=offline))
    except ArtifactError:
        raise
    except (
        Exception
    ) as error:  # the hub's library passes on errors of its HTTP client, whose types change with versions
        why = obstacle or (str(error) or repr(error)).splitlines()[0]
        raise ArtifactError(
            f"there is no folder or file {name}, and it could not be fetched from Hugging Face: {why}"
        ) from error


def _listing(name: str, revision: str | None, *, offline: bool) -> list[str]:
    """The files of a repository; without a network those that were downloaded before."""
    from huggingface_hub import HfApi, snapshot_download

    failure: Exception | None = None
    if not offline:
        try:
            return list(HfApi().list_repo_files(name, revision=revision))
        except Exception as error:  # noqa: BLE001  as above; raised again unless there is a copy
            failure = error
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except OSError as error:
        raise failure or error from None
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]


def _only(files: Sequence[str], name: str) -> str:
    """The only LoRA file among a repository's files."""
    weights = [file for file in files if file.endswith(".safetensors")]
    named = [file for file in weights if Path(file).name == lora_files.NAME]
    for some in (named, weights):
        if len(some) == 1:
            return some[0]
    has = ", ".join(weights[:5]) or "none"
    raise ArtifactError(
        f"{name} does not hold exactly one LoRA file; its safetensors files: {has}. Name the file: {name}/FILE"
    )


def display_name(name: str) -> str:
    """The name without its folder, as paths can be private."""
    path = Path(name).expanduser()
    if not path.exists():
        return name
    path = path.absolute()
    if path.is_file():
        return path.parent.name if path.name == lora_files.NAME else path.stem
    return path.name


def hash_folder(folder: Path) -> str:
    """A hash of a base model in a folder, 16 hexadecimal digits: from each file's name, size, beginning and end."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        size = path.stat().st_size
        digest.update(json.dumps([path.relative_to(folder).as_posix(), size]).encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLED))
            if size > SAMPLED:
                file.seek(-min(SAMPLED, size - SAMPLED), 2)
                digest.update(file.read())
    return digest.hexdigest()
