"""Distances of sets of features against closed forms, published figures and slow formulas."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from text2face_core.evaluation.metrics.coverage import measure_coverage
from text2face_core.evaluation.metrics.frechet import frechet_distance, frechet_limit
from text2face_core.evaluation.metrics.identity import mean_pair_cosine, prompt_diversity, sweep_consistency
from text2face_core.evaluation.metrics.kernel import kernel_distance, kernel_distance_interval
from text2face_core.evaluation.metrics.memorisation import measure_memorisation


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 12), (20, 30, 64)])
def test_the_frechet_distance_is_that_of_the_matrix_root(n, m, d):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), rng.normal(1, 2, size=(m, d))
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.trace(sqrtm(s @ t)).real
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-4)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6 * np.trace(s))


def test_the_frechet_distance_is_biased_and_its_limit_is_not():
    """Two samples of one Gaussian, d 256, spectrum 1/i."""
    rng, scale = np.random.default_rng(0), np.sqrt(1 / np.arange(1, 257))
    a, b = (rng.normal(size=(1000, 256)) * scale for _ in range(2))
    assert frechet_distance(a[:200], b[:200]) == pytest.approx(1.79, rel=0.1)
    assert frechet_distance(a[:500], b[:500]) == pytest.approx(0.74, rel=0.1)
    big = rng.normal(size=(4000, 256)) * scale
    assert abs(frechet_limit(a, big, points=8)) < 0.12 < frechet_distance(a, big)


def test_features_of_two_kinds_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(3, 4\)"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))


def test_the_kernel_distance_is_the_slow_sum_and_unbiased():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 3)), rng.normal(0.5, 1, size=(5, 3))

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (a, b)]
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * np.mean([k(x, y) for x in a for y in b]))
    repeated = [kernel_distance(*rng.normal(size=(2, 30, 4))) for _ in range(200)]
    assert abs(np.mean(repeated)) < 3 * np.std(repeated) / np.sqrt(200)


def test_the_interval_of_the_kernel_distance_tells_sets_apart():
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 150, 8)) + np.array([0, 0, 0.5])[:, None, None]
    same, apart = kernel_distance_interval(a, b), kernel_distance_interval(a, c)
    assert same.low < 0 < same.high
    assert apart.low > 0


def test_coverage_of_two_samples_of_one_distribution():
    """The reference implementation prints .4772 .4705 1.0555 .9735 for 10,000 + 10,000, d 1000, k 5."""
    rng = np.random.default_rng(0)
    found = measure_coverage(*rng.normal(size=(2, 2000, 100)), k=5)
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.coverage == pytest.approx(1 - 0.5**5, abs=0.02)  # the closed form: 1 - (N-1)...(N-k) / (2N-1)...(2N-k)
    far = measure_coverage(rng.normal(size=(50, 4)), rng.normal(30, 1, size=(50, 4)), k=3)
    assert far == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="more than 5"):
        measure_coverage(np.zeros((5, 2)), np.zeros((9, 2)))


def test_coverage_is_the_slow_definition():
    rng = np.random.default_rng(4)
    real, fake, k = rng.normal(size=(12, 2)), rng.normal(0.7, 1, size=(9, 2)), 2
    balls = [sorted(np.linalg.norm(real - one, axis=1))[k] for one in real]
    inside = np.array([[np.linalg.norm(f - r) < ball for f in fake] for r, ball in zip(real, balls, strict=True)])
    found = measure_coverage(real, fake, k)
    assert found.precision == inside.any(0).mean()
    assert found.density == pytest.approx(inside.sum(0).mean() / k)
    assert found.coverage == inside.any(1).mean()


def test_a_copying_generator_trips_memorisation_and_a_new_one_does_not():
    rng = np.random.default_rng(5)
    training, held_out, new = rng.normal(size=(400, 64)), rng.normal(size=(1000, 64)), rng.normal(size=(200, 64))
    copies = training[rng.choice(400, 200)] + rng.normal(0, 0.3, size=(200, 64))
    copied, fresh = measure_memorisation(copies, training, held_out), measure_memorisation(new, training, held_out)
    assert copied.share.low > 0.95
    assert fresh.share.high < 0.05
    mixed = measure_memorisation(np.concatenate([copies[:20], new[:180]]), training, held_out)
    assert mixed.share.low < 0.1 < mixed.share.high
    assert np.allclose((copies @ training.T).argmax(1), copied.nearest)


def test_a_sweep_that_keeps_the_person_is_told_from_one_that_does_not():
    rng = np.random.default_rng(6)
    people, others = rng.normal(size=(2, 60, 64))
    kept = sweep_consistency(people, people + rng.normal(0, 0.4, size=people.shape), people)
    assert kept.low > 0.8
    lost = sweep_consistency(people, others, people)
    assert lost.low < 0 < lost.high


def test_images_of_one_prompt_that_are_all_alike_have_no_diversity():
    rng = np.random.default_rng(7)
    alike = np.repeat(rng.normal(size=(5, 16)), 4, axis=0)
    prompts = np.repeat(np.arange(5), 4).tolist()
    assert prompt_diversity(alike, prompts).value == pytest.approx(0)
    assert prompt_diversity(rng.normal(size=(20, 16)), prompts).value == pytest.approx(1, abs=0.15)
    assert np.isnan(prompt_diversity(alike[:2], [1, 2]).value)
    assert np.isnan(mean_pair_cosine(alike[:1]))
