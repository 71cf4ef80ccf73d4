"""Upload a result to Hugging Face."""

from __future__ import annotations

from pathlib import Path

from ..errors import RunError
from .contact_sheet import SHEET

UPLOADED = ("*.safetensors", "README.md", SHEET, "train.jsonl")


def upload(out: Path, repository: str) -> str:
    """Upload the result into `repository`, made private if new; returns its address. Raises RunError on failure."""
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=out, allow_patterns=list(UPLOADED))
    except (OSError, ValueError) as error:  # all errors of the hub's library are of these types
        raise RunError(
            f"the result is in {out}, but could not be uploaded to {repository}: {str(error).splitlines()[0]}. Sign in "
            "with hf auth login and run the same command again, which then only uploads"
        ) from error
    return str(address)
