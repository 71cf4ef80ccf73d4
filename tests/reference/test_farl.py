"""FaRL as pyfacer computes it, with the same random weights: frames, labels, probabilities, regions."""

import warnings

import numpy as np
import pytest
import t2f_farl
from support.example_faces import portraits
from t2f_farl import NAMES, AttributeOptions, ParsingOptions

from text2face_core import Runtime
from text2face_core.images.regions import Region
from text2face_core.models.store import ModelStore

pytestmark = pytest.mark.reference

MEANT = {
    "background": Region.BACKGROUND,
    "neck": Region.SKIN,
    "face": Region.SKIN,
    "cloth": Region.BACKGROUND,
    "rr": Region.SKIN,
    "lr": Region.SKIN,
    "rb": Region.SKIN,
    "lb": Region.SKIN,
    "re": Region.EYES,
    "le": Region.EYES,
    "nose": Region.NOSE,
    "imouth": Region.MOUTH,
    "llip": Region.LIPS,
    "ulip": Region.LIPS,
    "hair": Region.HAIR,
    "eyeg": Region.GLASSES,
    "hat": Region.HAT,
    "earr": Region.BACKGROUND,
    "neck_l": Region.BACKGROUND,
}


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    torch = pytest.importorskip("torch")
    torch.set_num_threads(2)
    return torch


@pytest.fixture(scope="module")
def facer(torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("timm")
        return pytest.importorskip("facer")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)


def asked(torch, portrait):
    """A portrait as pyfacer wants it: images and what its detector found."""
    images = torch.from_numpy(portrait.photo.pixels.copy()).permute(2, 0, 1)[None]
    points = torch.from_numpy(portrait.face.landmarks)[None]
    return images, {"points": points, "image_ids": torch.zeros(1, dtype=torch.long)}


# attributes


@pytest.fixture(scope="module")
def weights(torch, facer, tmp_path_factory):
    """A file as the published one, with random tensors that tell faces apart."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "cuda", lambda self, *_: self)  # its constructor knows no other device
        network = facer.farl.farl_classification(num_classes=40, layers=[11])
    with torch.no_grad():
        for one in network.parameters():
            one.copy_(one * 1.5 if one.ndim > 1 else one + 0.1 * torch.randn_like(one))
    path = tmp_path_factory.mktemp("weights") / "attributes.pt"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def reference(torch, facer, weights):
    from facer.face_attribute.farl import FaRLFaceAttribute

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "cuda", lambda self, *_: self)
        return FaRLFaceAttribute(model_path=str(weights))


def test_labels_are_in_its_order(reference):
    names = [name.lower().replace("5_o", "five_o") for name in reference.labels]
    assert list(NAMES) == names


def test_probabilities_are_its_own_on_every_portrait_alone_and_in_a_batch(torch, reference, weights, runtime):
    some = portraits()[3:]
    assert len(some) >= 8
    attributes = t2f_farl.build_attributes(AttributeOptions(weights=str(weights)), runtime)
    found = attributes.probabilities(some)
    alone = np.concatenate([attributes.probabilities([one]) for one in some])
    with torch.inference_mode():
        wanted = np.stack([reference(*asked(torch, one))["attrs"][0].numpy() for one in some])
    assert wanted.std(axis=0).mean() > 0.01  # the faces do differ
    assert np.abs(found - wanted).max() < 1e-4
    assert np.abs(alone - wanted).max() < 1e-4


def test_without_normalisation_they_are_those_of_its_earlier_version(torch, reference, weights, runtime):
    one = portraits()[0]
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(reference, "normalize", torch.nn.Identity())
        wanted = reference(*asked(torch, one))["attrs"][0].numpy()
    attributes = t2f_farl.build_attributes(AttributeOptions(weights=str(weights), normalise=False), runtime)
    assert np.abs(attributes.probabilities([one])[0] - wanted).max() < 1e-4


# parsing


@pytest.fixture(scope="module")
def scripts(torch, tmp_path_factory):
    """A small scripted network for each parser, with two outputs, logits first."""
    folder = tmp_path_factory.mktemp("scripts")

    class Small(torch.nn.Module):
        def __init__(self, classes):
            super().__init__()
            torch.manual_seed(classes)
            self.conv = torch.nn.Conv2d(3, classes, 5, padding=2)
            self.more = torch.nn.Conv2d(3, 2, 1)

        def forward(self, images):
            coarse = self.conv(torch.nn.functional.avg_pool2d(images, 8) - 0.45) * 20
            logits = torch.nn.functional.interpolate(coarse, size=[448, 448], mode="bilinear", align_corners=False)
            return logits, self.more(images)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch would rather have another format
        for name, classes in (("lapa", 11), ("celebm", 19)):
            torch.jit.script(Small(classes)).save(str(folder / name))
    return folder


@pytest.fixture(params=["lapa", "celebm"])
def both(request, facer, scripts, runtime):
    """The reference and ours."""
    name = request.param
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parser = facer.face_parser(f"farl/{name}/448", device="cpu", model_path=str(scripts / name))
    options = ParsingOptions(models=(name,), **{f"{name}_weights": str(scripts / name)})
    return parser, t2f_farl.build_parsing(options, runtime), name


def test_classes_count_as_what_it_calls_them(both):
    from t2f_farl._parsing import KINDS

    parser, _, name = both
    assert list(KINDS[name].regions) == [MEANT[label] for label in parser.label_names]


def test_frames_show_the_same_places_and_colours(torch, both):
    from t2f_farl._parsing import KINDS

    parser, _, name = both
    frame = KINDS[name].frame
    for one in portraits():
        images, data = asked(torch, one)
        seen, grid, _ = parser.warp_images(images, data)
        size = np.array([one.photo.width, one.photo.height])
        wanted = (grid[0].numpy() + 1) / 2 * size
        found = np.stack(frame.photo_points(frame.matrix(one.face)), axis=-1)
        assert np.abs(found - wanted).max() < 0.01
        assert np.abs(frame.cut(one.photo, one.face) / 255 - seen[0].permute(1, 2, 0).numpy()).max() < 5e-4


def test_logits_and_areas_are_its_own(torch, both):
    from t2f_farl._parsing import KINDS

    parser, ours, name = both
    kind = KINDS[name]
    network = ours._parsers[name]._network
    some = portraits()[4:]
    for one, face in zip(some, ours.parse(some), strict=True):
        images, data = asked(torch, one)
        seen, _, _ = parser.warp_images(images, data)
        wanted = parser.forward_warped(seen, return_preds=False)[0].numpy()
        (found,) = network(kind.frame.cut(one.photo, one.face).transpose(2, 0, 1)[None] / np.float32(255))
        assert np.abs(found[0] - wanted).max() / np.abs(wanted).max() < 1e-4
        # It brings logits to the photo's size; areas measured in the square are those counted there.
        full = parser.forward(*asked(torch, one))["seg"]["logits"][0].argmax(0).numpy()
        regions = np.array(kind.regions)[full]
        scale = float(np.linalg.norm(kind.frame.matrix(one.face)[:, 0]))
        for region in set(kind.regions):
            there = (regions == region).sum()
            if name == "celebm" and region == Region.BACKGROUND:
                continue  # what lies outside its square is background to it
            area = face.area(face.mask(region)) * face.unit**2 / scale**2
            assert area == pytest.approx(there, rel=0.05, abs=0.003 * regions.size), region
