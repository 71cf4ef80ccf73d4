"""Model stores with the files that tests need; they skip where files cannot be had."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from text2face_core.errors import ArtifactError
from text2face_core.models.store import Artifact, ModelStore


def store_with(artifacts: Iterable[Artifact]) -> ModelStore:
    """A store that holds all of them; skips the test if one cannot be had."""
    store = ModelStore(offline=False)  # whatever a test module told the Hugging Face libraries
    try:
        for artifact in artifacts:
            store.path(artifact)
    except ArtifactError as error:
        pytest.skip(str(error))
    return store
