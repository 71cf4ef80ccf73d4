"""Synthetic portraits: faces of people who do not exist, with the latent of each in its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contracts import Progress, Renderer, Runtime
from ..dataset import read_portrait_record, write_portrait
from ..errors import PluginError, UsageError
from ..models import ModelStore
from ..plugins import Plugins, split_names
from ..utils import default_threads
from .session import Silent

if TYPE_CHECKING:
    from ..plugins import Registered
    from ..records import Pixels

LARGEST_SEED = 2**63


@dataclass(frozen=True, slots=True)
class PortraitsResult:
    """What `make_faces` made.

    Attributes:
        folder: The folder of the portraits.
        paths: The file of each portrait, in order.
        new: How many were rendered by this call, not earlier.
    """

    folder: Path
    paths: tuple[Path, ...]
    new: int


def make_faces(
    count: int,
    out: str | Path,
    *,
    seed: int = 0,
    size: int = 512,
    truncation: float = 0.9,
    plugins: str | Sequence[str] = (),
    threads: int = 0,
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
) -> PortraitsResult:
    """Render portraits of people who do not exist, as `t2f faces` does; what `out` holds already is not made again.

    Each file is named after its seed and holds the latent that it was rendered from, which trainers such as style_flow
    learn from.

    Args:
        count: Number of portraits; their seeds are `seed`, `seed` + 1, ….
        out: The folder of the portraits.
        seed: The first seed.
        size: Side of the square images, in pixels.
        truncation: 1 for the full variety, less for faces nearer to the mean face.
        plugins: The plugin with the renderer, if several are installed.
        threads: Threads on the CPU; 0 for all cores.
        progress: Receives how far the work has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.

    Raises:
        UsageError: A number is out of range, or no renderer is installed.

    Example:
        >>> make_faces(100, "portraits").new  # doctest: +SKIP
        100
    """
    if count < 1 or not 0 <= seed <= LARGEST_SEED - count or not 32 <= size <= 4096 or not 0 <= truncation <= 2:
        raise UsageError("count must be at least 1, seed 0 or more, size from 32 to 4096, truncation from 0 to 2")
    found, shown, folder = available or Plugins.load(), progress or Silent(), Path(out)
    names = split_names(plugins) if isinstance(plugins, str) else list(plugins)
    registered = choose_renderer(found, names)
    wanted = {folder / f"{one:010d}.jpg": one for one in range(seed, seed + count)}
    record = {"renderer": "", "truncation": truncation, "size": size}
    runtime = Runtime(models or ModelStore(say=shown.say), threads=threads or default_threads(), seed=seed)
    renderer: Renderer = found.build(registered, registered.component.options(), runtime)
    record["renderer"] = renderer.name
    missing = [path for path, one in wanted.items() if not _is_there(path, {**record, "seed": one})]
    if not missing:
        shown.say(f"all {count} portrait(s) exist already")
        return PortraitsResult(folder, tuple(wanted), 0)
    folder.mkdir(parents=True, exist_ok=True)
    shown.start("rendering", count, count - len(missing))
    try:
        for first in range(0, len(missing), BATCH):
            part = missing[first : first + BATCH]
            latents = renderer.latents([wanted[path] for path in part], truncation)
            for path, latent in zip(part, latents, strict=True):
                pixels = scale_image(renderer.render(latent), size)
                write_portrait(path, pixels, latent, {**record, "seed": wanted[path]})
                shown.advance(1)
    finally:
        shown.finish()
    return PortraitsResult(folder, tuple(wanted), len(missing))


BATCH = 64
"""Latents drawn at once."""


def choose_renderer(plugins: Plugins, names: Sequence[str] = ()) -> Registered:
    """The renderer of the named plugins, or the only one. Raises PluginError if there is none, or more than one."""
    if names:
        chosen = plugins.chosen(names).get("renderer", [])
        offered = [plugins.component(name, "renderer") for name in chosen]
    else:
        offered = [one for one in plugins.components() if one.kind == "renderer"]
    if len(offered) == 1:
        return offered[0]
    listed = ", ".join(one.name for one in offered)
    raise PluginError(f"name one renderer with --plugins: {listed}" if offered else "no renderer is installed")


def scale_image(pixels: Pixels, side: int) -> Pixels:
    """A square image at another size."""
    import cv2

    if pixels.shape[0] == side:
        return pixels
    how = cv2.INTER_AREA if side < pixels.shape[0] else cv2.INTER_CUBIC
    scaled: Pixels = cv2.resize(pixels, (side, side), interpolation=how)
    return scaled


def _is_there(path: Path, record: dict[str, object]) -> bool:
    """Whether the portrait exists, whole, with these settings."""
    if not path.is_file():
        return False
    found = read_portrait_record(path)
    return all(found.get(name) == value for name, value in record.items()) and "latent" in found
