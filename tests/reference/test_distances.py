"""Distances against the packages that people use: torchmetrics (FID, KID) and prdc (density, coverage, …)."""

import numpy as np
import pytest

from text2face_core.evaluation import frechet_distance, kernel_distance, measure_coverage

pytestmark = pytest.mark.reference

RNG = np.random.default_rng(5)
REAL, GENERATED = RNG.normal(size=(300, 24)), RNG.normal(0.3, 1.2, size=(260, 24))


@pytest.fixture(scope="module")
def identity():
    """A network that passes features on, as torchmetrics takes its own."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")

    class Identity(torch.nn.Module):
        num_features = 24

        def forward(self, x):
            return x

    return Identity()


def tensor(values):
    import torch

    return torch.from_numpy(values).double()


def test_fid_is_that_of_torchmetrics(identity):
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=identity, input_img_size=(24,)).set_dtype(torch.float64)
    metric.update(tensor(REAL), real=True)
    metric.update(tensor(GENERATED), real=False)
    assert frechet_distance(GENERATED, REAL) == pytest.approx(float(metric.compute()), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid_over_all_images_is_that_of_torchmetrics_with_a_single_subset(identity):
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=identity, subsets=1, subset_size=260)
    metric.update(tensor(REAL[:260]), real=True)
    metric.update(tensor(GENERATED), real=False)
    assert kernel_distance(GENERATED, REAL[:260]) == pytest.approx(float(metric.compute()[0]), rel=1e-5)


def test_precision_recall_density_and_coverage_are_those_of_prdc(capsys):
    prdc = pytest.importorskip("prdc")
    wanted = prdc.compute_prdc(real_features=REAL, fake_features=GENERATED, nearest_k=5)
    capsys.readouterr()  # it prints
    found = measure_coverage(REAL, GENERATED, 5)
    assert found._asdict() == pytest.approx({key: float(value) for key, value in wanted.items()})
