"""RetinaFace against facexlib's and pyfacer's own: the same weights, the same photos, the same faces.

With random weights for both backbones, and with the public MobileNet-0.25 file, which is taken from where
$T2F_TEST_RETINAFACE names it, else from the model store.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.retinaface_files import write_random_weights

from text2face_core import Runtime
from text2face_core.errors import ArtifactError
from text2face_core.models.store import ModelStore

pytestmark = pytest.mark.reference

WHOLE = {"longest_side": 1024, "frame": False}
"""Options with which the photos are seen as they are."""

CASES = ("resnet50 random", "mobilenet0.25 random", "mobilenet0.25 public")


@dataclass
class Case:
    """A file of weights, and the score from which its faces are compared."""

    backbone: str
    weights: Path
    score: float


@pytest.fixture(scope="module", autouse=True)
def _packages():
    for package in ("torch", "torchvision", "onnx", "onnxscript", "facexlib"):
        pytest.importorskip(package)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("retinaface")


@pytest.fixture(scope="module", params=CASES)
def case(request, folder) -> Case:
    backbone, kind = request.param.split()
    if kind == "random":
        path = folder / f"{backbone}.pth"
        # High enough that hundreds of candidates remain, not thousands: every one that differs in its last bit could
        # push another aside.
        return Case(backbone, path if path.exists() else write_random_weights(backbone, path), 0.7)
    if given := os.environ.get("T2F_TEST_RETINAFACE"):
        return Case(backbone, Path(given), 0.5)
    from t2f_retinaface import WEIGHTS

    try:
        return Case(backbone, ModelStore().path(WEIGHTS[backbone]), 0.5)
    except ArtifactError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def make(case, folder):
    from t2f_retinaface import RetinaFaceOptions, build
    from t2f_retinaface._detector import RetinaFace
    from t2f_retinaface._network import load_network

    def make(batch: int | None = None, **options):
        chosen = RetinaFaceOptions(**{"backbone": case.backbone, "weights": str(case.weights), **options})
        runtime = Runtime(ModelStore(folder), threads=2)
        if batch is None:
            return build(chosen, runtime)
        return RetinaFace(load_network(case.backbone, case.weights), chosen, runtime, batch)

    return make


@pytest.fixture(scope="module")
def photos(example_photos) -> list[np.ndarray]:
    """Eight portraits of eight sizes, most of them no multiples of the network's cells, and three people on one."""
    whole = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(example_photos.glob("*.jpg"))]
    zooms = (1.0, 0.5, 0.75, 0.55, 0.4, 0.8, 0.35, 0.62)
    sizes = [
        (round(one.shape[1] * zoom), round(one.shape[0] * zoom)) for one, zoom in zip(whole[2:10], zooms, strict=True)
    ]
    single = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one, size in zip(whole[2:10], sizes, strict=True)]
    return [*single, np.concatenate([one[::3, ::3] for one in (whole[0], whole[6], whole[11])], axis=1)]


def on_canvas(photo: np.ndarray) -> np.ndarray:
    """The photo with the colour that means nothing to its right and below, up to multiples of 64 pixels.

    photo: its channels in the order in which the network sees them.
    """
    down, right = -photo.shape[0] % 64, -photo.shape[1] % 64
    return cv2.copyMakeBorder(photo, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(104, 117, 123))


def tensors(weights: Path) -> dict:
    import torch

    found = torch.load(weights, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


@pytest.fixture(scope="module")
def facexlib_net(case):
    from facexlib.detection.retinaface import RetinaFace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, of `pretrained`
        net = RetinaFace("resnet50" if case.backbone == "resnet50" else "mobile0.25", device="cpu")
    net.load_state_dict(tensors(case.weights), strict=True)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def facer_detector(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facer = pytest.importorskip("facer.face_detection.retinaface")
        if case.backbone == "resnet50":
            pytest.skip("pyfacer decodes with MobileNet's settings only")
        detector = facer.RetinaFaceDetector("mobilenet", str(case.weights), threshold=case.score)
    return detector.requires_grad_(False)


def test_the_network_gives_what_facexlib_gives(make, facexlib_net, photos):
    import torch

    network = make()._network
    assert network.engine == "onnx"
    for photo in photos:
        shown = on_canvas(photo[..., ::-1]).transpose(2, 0, 1)[None] - np.float32([[[[104]], [[117]], [[123]]]])
        boxes, scores, landmarks = network(shown)
        wanted = [one.numpy() for one in facexlib_net(torch.from_numpy(np.ascontiguousarray(shown)))]
        for found, expected in zip((boxes, scores, landmarks), (wanted[0], wanted[1][..., 1], wanted[2]), strict=True):
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() < 1e-4 * max(1, np.abs(expected).max())
            assert found.std() > 0.01  # a network that answers the same to everything would agree, too


def test_faces_are_facexlibs(case, make, facexlib_net, photos):
    found = make(score=case.score, **WHOLE).detect(photos)
    for photo, faces in zip(photos, found, strict=True):
        bgr = on_canvas(photo[..., ::-1])
        wanted = facexlib_net.detect_faces(bgr, conf_threshold=case.score, nms_threshold=0.4)
        assert len(wanted) > 0
        line = clear_line(wanted[:, 4])
        wanted = wanted[wanted[:, 4] > line]
        clear = [face for face in faces if face.score > line]
        compare(clear, wanted[:, :4], wanted[:, 5:].reshape(-1, 5, 2), wanted[:, 4])


def test_faces_are_pyfacers_with_its_order_of_colours(case, make, facer_detector, photos):
    import torch

    found = make(score=case.score, order="rgb", **WHOLE).detect(photos)
    seen = 0
    for photo, faces in zip(photos, found, strict=True):
        rgb = torch.from_numpy(on_canvas(photo).transpose(2, 0, 1).copy())[None]
        wanted = {name: one.numpy() for name, one in facer_detector(rgb).items()}
        # pyfacer reckons overlap in boxes that are a pixel larger: of small boxes it drops some that others keep.
        large = [number for number, rect in enumerate(wanted["rects"]) if (rect[2:] - rect[:2]).min() > 40]
        seen += len(large)
        for number in large:
            near = min(faces, key=lambda face: np.abs(face.box - wanted["rects"][number]).max())
            compare([near], *(wanted[name][number : number + 1] for name in ("rects", "points", "scores")))
    assert seen >= len(photos)


def clear_line(scores) -> float:
    """The middle of the widest gap among the lowest scores: a face just at a threshold may fall to either side."""
    if len(scores) <= 20:  # real faces, far from any threshold
        return 0.0
    lowest = np.sort(scores)[:20]
    widest = int(np.diff(lowest).argmax())
    return float(lowest[widest : widest + 2].mean())


def compare(faces, boxes, landmarks, scores) -> None:
    """Same faces; in any order, as scores that differ in their last bit only may stand either way.

    Faces are rounded to 1/100 pixel and 0.0001: of coordinates in the hundreds, 1e-4 and less.
    """
    assert len(faces) == len(boxes)
    found = np.array([[*face.box, *face.landmarks.flat, face.score] for face in faces])
    wanted = np.concatenate([boxes, np.reshape(landmarks, (-1, 10)), np.reshape(scores, (-1, 1))], axis=1)
    partners = [int(np.abs(found - row).max(axis=1).argmin()) for row in wanted]
    assert sorted(partners) == list(range(len(faces)))
    np.testing.assert_allclose(found[partners, :14], wanted[:, :14], rtol=0, atol=0.02)
    np.testing.assert_allclose(found[partners, 14], wanted[:, 14], rtol=0, atol=1e-4)


def test_batches_give_what_single_photos_give(case, make, photos):
    options = {"score": case.score, "longest_side": 320, "top_k": 100}
    batch = [*photos, *(np.ascontiguousarray(photo[:, ::-1]) for photo in photos)]
    single = make(batch=1, **options)
    alone = [single.detect([photo])[0] for photo in batch]
    together = make(batch=8, **options).detect(batch)
    for one, other in zip(alone, together, strict=True):
        assert len(one) > 0
        boxes, landmarks = ([getattr(face, name) for face in one] for name in ("box", "landmarks"))
        compare(other, boxes, landmarks, [face.score for face in one])
