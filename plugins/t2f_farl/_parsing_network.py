"""FaRL's parsers, which are published as TorchScript: code together with weights."""

# mypy: disable-error-code="no-any-return, no-untyped-call"
# torch's modules are Any when they are called.

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from text2face_core.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


class Logits(nn.Module):
    """The first of a parser's two outputs, at the size of its input."""

    def __init__(self, parser: nn.Module, side: int) -> None:
        super().__init__()
        self.parser = parser
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) float RGB, 0 to 1, to logits (N, C, side, side)."""
        logits = self.parser(images)[0]
        return functional.interpolate(logits, size=[self.side, self.side], mode="bilinear", align_corners=False)


class Labels(nn.Module):
    """Only the index of the largest logit: an accelerator then returns a single number per pixel, not all logits."""

    def __init__(self, logits: nn.Module) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, side, side) to (N, 1, side, side)."""
        return self.logits(images).argmax(dim=1, keepdim=True)


def load_parser(path: Path, side: int, *, labels: bool) -> Any:
    """Load a parser with a single output, `Labels` or `Logits`: a torch.jit.ScriptModule on the CPU.

    A TorchScript file runs its own code: only load a file whose hash was checked or that users name as their own.
    Raises ArtifactError if it cannot be loaded.
    """
    with warnings.catch_warnings():
        # torch recommends another format, but these models exist only in this format.
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=FutureWarning)
        try:
            parser = torch.jit.load(str(path), map_location="cpu").eval()
            logits = torch.jit.script(Logits(parser, side))
            return torch.jit.script(Labels(logits)) if labels else logits
        except (RuntimeError, ValueError, OSError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise ArtifactError(f"{path} is not a TorchScript file of a parser ({reason})") from error
