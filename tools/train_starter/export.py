"""Store the averaged weights as ONNX: python -m tools.train_starter.export WORK OUT.onnx.

pixels (N, 128, 128, 3) uint8 RGB go in; out come regions (N, 128, 128) uint8 and figures (N, F) float32, 0 to 1.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from t2f_starter.signature import FIGURES, SIDE
from torch import Tensor, nn

from text2face_core.images import Region

from .network import Starter

OPSET = 17


class Exported(nn.Module):
    """The network from pixels to what is seen."""

    def __init__(self, network: Starter) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See above."""
        scores, logits = self.network(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return scores.argmax(1).to(torch.uint8), logits.sigmoid()


def load(checkpoint: Path) -> Starter:
    """The averaged network of a checkpoint."""
    network = Starter(len(Region), len(FIGURES))
    average = torch.optim.swa_utils.AveragedModel(network)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    return average.module.eval()  # type: ignore[no-any-return]


def shift(network: Starter, offsets: Path) -> None:
    """Add what `balance` found to the scores of the regions; each has four channels, one per pixel of a cell."""
    if offsets.is_file():
        with torch.no_grad():
            network.regions.bias += torch.from_numpy(np.load(offsets)).repeat_interleave(4)


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description="Store the network as ONNX.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("out", type=Path, help="the file to write")
    given = parser.parse_args()
    network = load(given.work / "checkpoint.pt")
    shift(network, given.work / "offsets.npy")
    torch.onnx.export(
        Exported(network),
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        str(given.out),
        input_names=["pixels"],
        output_names=["regions", "figures"],
        dynamic_axes={name: {0: "faces"} for name in ("pixels", "regions", "figures")},
        opset_version=OPSET,
        dynamo=False,
    )
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
