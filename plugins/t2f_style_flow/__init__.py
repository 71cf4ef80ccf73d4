"""A text-to-face model that a laptop trains in minutes: a conditional flow in the style space of a face generator.

Text encoder and flow are ours and small; the generator is MobileStyleGAN (Belousov 2021) as packaged in random-face
2021.7.21.1, Apache-2.0. It was trained on FFHQ, whose photos are under several Creative Commons licences and whose
metadata are CC BY-NC-SA 4.0. It only draws faces, of people who do not exist, and so does this model.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from text2face_core import Component, Options, Runtime, hookimpl

from .faces.artifacts import FILES
from .options import StyleFlowOptions

if TYPE_CHECKING:
    from .faces.generator import MobileStyleGan
    from .training.trainer import StyleFlowTrainer


def build(options: StyleFlowOptions, runtime: Runtime) -> "StyleFlowTrainer":
    """Build the trainer; base and generator are loaded when they are used."""
    import openvino  # noqa: F401  so that a missing extra is reported before any work
    import safetensors  # noqa: F401

    from .training.trainer import StyleFlowTrainer

    return StyleFlowTrainer(options, runtime)


def build_renderer(options: Options, runtime: Runtime) -> "MobileStyleGan":  # noqa: ARG001  it has no options
    """Build the face generator; its files are fetched when it draws."""
    import openvino  # noqa: F401

    from .faces.generator import MobileStyleGan

    return MobileStyleGan(runtime)


@hookimpl
def t2f_trainers() -> Iterable[Component]:
    """Declare the trainer."""
    yield Component(
        "style_flow",
        build,
        StyleFlowOptions,
        artifacts=FILES,
        extra="style",
        summary="text to face on a laptop: a flow in a face generator's style space, trained in minutes on a CPU",
    )


@hookimpl
def t2f_renderers() -> Iterable[Component]:
    """Declare the face generator."""
    yield Component(
        "style_flow.faces",
        build_renderer,
        artifacts=FILES,
        extra="style",
        summary="synthetic portraits by MobileStyleGAN, 1024 px, 0.4 s each on one core",
    )
