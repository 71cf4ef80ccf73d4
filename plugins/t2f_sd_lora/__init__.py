"""LoRA training of Stable Diffusion 1.x and 2.x: on the UNet's attention and on the CLIP text encoder.

LoRA: Hu et al., ICLR 2022. The setup is that of arXiv 2405.10864 §3; docs/training.md says how it differs from the
published script. The default base model is Stable Diffusion 2.1 under the CreativeML Open RAIL++-M licence, which
forbids some uses and also applies to what is trained from it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from text2face_core import Component, Runtime, hookimpl

from .options import SdLoraOptions

if TYPE_CHECKING:
    from .training.trainer import SdLoraTrainer


def build(options: SdLoraOptions, runtime: Runtime) -> "SdLoraTrainer":
    """Build the trainer; the base model is loaded when training begins."""
    from .training.trainer import SdLoraTrainer

    return SdLoraTrainer(options, runtime)


@hookimpl
def t2f_trainers() -> Iterable[Component]:
    """Declare the trainer."""
    yield Component(
        "sd_lora",
        build,
        SdLoraOptions,
        extra="train",
        summary="LoRA for Stable Diffusion 1.x and 2.x; the default base, SD 2.1, is under Open RAIL++-M",
    )
