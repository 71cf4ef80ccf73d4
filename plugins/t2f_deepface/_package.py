"""DeepFace's own package: its clients for age, gender and race, on verified files of the model store."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from text2face_core.errors import ArtifactError
from text2face_core.models import Network

from . import WEIGHTS, Trait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from text2face_core import Runtime

CLIENTS: dict[Trait, tuple[str, str]] = {
    "age": ("Age", "ApparentAgeClient"),
    "gender": ("Gender", "GenderClient"),
    "ethnicity": ("Race", "RaceClient"),
}
LARGEST_BATCH = 8


def package_network(trait: Trait, file: Path, runtime: Runtime) -> Network:
    """A client of the package `deepface`, which runs its ONNX graph, as a network of ours.

    The package looks for its files in a home of its own and downloads what is missing, without a hash. It is given a
    temporary home with a link to our file, so that it loads our file and downloads nothing.
    Raises ArtifactError if the package cannot load the file.
    """
    module, name = CLIENTS[trait]
    with tempfile.TemporaryDirectory(prefix="t2f-deepface-") as home, _environment(home, runtime):
        folder = Path(home) / ".deepface" / "weights"
        folder.mkdir(parents=True)
        _link(folder / WEIGHTS[trait, "onnx"].name, file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clients = importlib.import_module(f"deepface.models.demography.onnx.{module}")
            try:
                client = getattr(clients, name)()
            except ValueError as error:
                raise ArtifactError(f"DeepFace's package cannot load {file}: {error}") from error

    def run(images: Sequence[Any]) -> list[Any]:
        # For a single image the package drops the first axis.
        return [np.atleast_2d(client._predict_internal(images[0]))]

    return Network(run, "deepface", LARGEST_BATCH)


@contextlib.contextmanager
def _environment(home: str, runtime: Runtime) -> Iterator[None]:
    """The variables that the package reads, as long as it is imported and built."""
    kind = "cuda,cpu" if runtime.device.startswith("cuda") else "cpu"
    wanted = {"DEEPFACE_HOME": home, "DEEPFACE_BACKEND_ENGINE": "onnx", "DEEPFACE_ONNX_PROVIDERS": kind}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _link(link: Path, file: Path) -> None:
    try:
        link.symlink_to(file.absolute())
    except OSError:  # Windows without the right to make symbolic links
        os.link(file, link)
