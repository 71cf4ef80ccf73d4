"""Store the averaged weights as ONNX: python -m tools.train_people.export WORK OUT.onnx.

pixels (N, SIDE, SIDE, 3) uint8 RGB go in; out come bands (N, 9), years (N, 2), gender (N,), race (N, 7) and looks
(N, 7), float32, as `t2f_people._network.Figures` describes them. Weights are stored as float16 and computed with as
float32: half the size, and no difference that counts (the difference is printed).
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from t2f_people.signature import SIDE
from torch import Tensor, nn

from .augment import cut, view
from .network import Looks, People

OPSET = 17
NAMES = ("bands", "years", "gender", "race", "looks")
CLOSE = 0.05
"""How far a logit, or a year, of the file with float16 weights may be from the network's own."""


class Exported(nn.Module):
    """The network from pixels to raw figures."""

    def __init__(self, network: People, looks: Looks) -> None:
        super().__init__()
        self.network, self.looks = network, looks

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """See above."""
        features, top = Looks.features(self.network.trunk, pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        bands, centre, scale, gender, race = self.network.figures(top)
        return bands, torch.stack([centre, scale], 1), gender, race, self.looks(features)


def load(checkpoint: Path) -> People:
    """The averaged network of a checkpoint."""
    average = torch.optim.swa_utils.AveragedModel(People(), use_buffers=True)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    network: People = average.module
    return network.eval()


def load_looks(path: Path) -> Looks:
    """The second head, as `looks` leaves it."""
    if not path.exists():
        raise SystemExit(f"there is no {path}: run python -m tools.train_people.looks first")
    looks = Looks()
    looks.load_state_dict(torch.load(path, weights_only=True))
    return looks.eval()


def to_onnx(network: Exported) -> onnx.ModelProto:
    """The network as an ONNX graph in float32, batch norm folded into the convolutions."""
    stream = io.BytesIO()
    torch.onnx.export(
        network.eval(),  # the exporter puts a module back into the mode it came in
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        stream,
        input_names=["pixels"],
        output_names=list(NAMES),
        dynamic_axes={name: {0: "faces"} for name in ("pixels", *NAMES)},
        opset_version=OPSET,
        dynamo=False,
    )
    return onnx.load_model_from_string(stream.getvalue())


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with float16 weights, each cast to float32 in the graph, which onnxruntime does once when it loads."""
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for weight in halved.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.ndim < 2:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    onnx.checker.check_model(halved)
    return halved


def run(model: onnx.ModelProto, pixels: np.ndarray) -> list[np.ndarray]:
    """What a graph gives for (N, SIDE, SIDE, 3) uint8."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(list(NAMES), {"pixels": pixels}))


def main() -> None:
    """Export, and compare with the network itself."""
    parser = argparse.ArgumentParser(description="Store the network as ONNX.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("out", type=Path, help="the file to write")
    given = parser.parse_args()
    network = Exported(load(given.work / "checkpoint.pt"), load_looks(given.work / "looks.pt"))
    whole = to_onnx(network)
    halved = halve(whole)
    images = np.load(given.work / "images.npy", mmap_mode="r")[:200]
    pixels = np.stack([cut(image, view(SIDE), SIDE) for image in images])
    with torch.no_grad():
        truth = [part.numpy() for part in network(torch.from_numpy(pixels))]
    for what, model in (("float32", whole), ("float16 weights", halved)):
        far = [float(np.abs(a - b).max()) for a, b in zip(run(model, pixels), truth, strict=True)]
        print(f"{what}: " + ", ".join(f"{name} differs by {far:.5f}" for name, far in zip(NAMES, far, strict=True)))
    if max(far) > CLOSE:
        raise SystemExit(f"float16 weights change a figure by {max(far):.3f}, more than {CLOSE}: store float32")
    given.out.write_bytes(halved.SerializeToString())
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
