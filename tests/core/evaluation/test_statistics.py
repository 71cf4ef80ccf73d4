"""Intervals and tests against published values, closed forms, and their own promises under simulation."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from text2face_core.evaluation.statistics import (
    GraderError,
    benjamini_hochberg,
    bootstrap_mean,
    bootstrap_ratio,
    effective_n,
    holm,
    images_for_precision,
    intraclass,
    mcnemar,
    null_gap,
    paired_difference,
    rogan_gladen,
    sign_flip,
    wilson,
)


@pytest.mark.parametrize(
    ("half", "wanted"),
    [(0.02, (2398, 2014, 1535, 868, 469)), (0.05, (381, 320, 245, 141, 83)), (0.10, (93, 78, 60, 37, 25))],
)
def test_images_for_a_precision_are_wilsons(half, wanted):
    shares = (0.5, 0.7, 0.8, 0.9, 0.95)
    assert tuple(images_for_precision(half, share) for share in shares) == wanted


def test_wilson_is_the_solution_of_its_equation():
    found = wilson(37, 120)
    z = norm.ppf(0.975)
    for end in (found.low, found.high):
        assert abs(37 / 120 - end) == pytest.approx(z * math.sqrt(end * (1 - end) / 120), abs=1e-5)
    assert math.isnan(wilson(0, 0).value)


def test_the_bootstrap_over_prompts_covers_the_truth_where_images_of_one_prompt_resemble_each_other():
    rng, inside, naive = np.random.default_rng(1), 0, 0
    for trial in range(120):
        shares = rng.beta(1.4, 0.6, 60)  # mean 0.7
        hits = rng.binomial(6, shares)
        found, plain = bootstrap_ratio(hits, [6] * 60, seed=trial), wilson(int(hits.sum()), 360)
        inside += found.low <= 0.7 <= found.high
        naive += plain.low <= 0.7 <= plain.high
    assert inside >= 107  # 89 %, four standard errors below 95 % of 120 would be 104
    assert naive < inside - 10  # as if all images were independent


def test_a_bootstrap_of_equal_outcomes_is_not_a_certainty():
    found = bootstrap_ratio([1] * 20, [1] * 20)
    assert found.value == found.high == 1
    assert 0.8 < found.low < 0.9
    assert bootstrap_mean([2.0, 2.0]).low == 2.0
    assert math.isnan(bootstrap_ratio([], []).value)


def test_a_paired_difference_leaves_out_prompts_that_one_model_lacks():
    hits, totals = (np.array([1.0, 1, 1, 0, 1]), np.array([0.0, 1, 0, 0, 9])), (np.ones(5), np.array([1.0, 1, 1, 1, 0]))
    assert paired_difference(hits, totals).value == pytest.approx(3 / 4 - 1 / 4)


@pytest.mark.parametrize(("first", "second"), [(1, 9), (0, 5), (4, 4), (0, 0), (20, 7)])
def test_mcnemar_is_the_binomial_tail(first, second):
    n, low = first + second, min(first, second)
    tail = 2 * sum(math.comb(n, k) for k in range(low + 1)) / 2**n
    assert mcnemar(first, second) == pytest.approx(min(1.0, tail))


def test_signs_that_are_flipped_give_the_exact_probability_of_few_pairs():
    assert sign_flip([1, 1, 1, 1, 1], draws=20_000) == pytest.approx(2 / 32, abs=0.006)
    assert sign_flip([0, 0]) == 1.0


def test_corrections_for_many_findings():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert benjamini_hochberg([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.02, 0.08 / 3, 0.03, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []


def test_a_grader_with_known_errors_is_corrected_to_within_its_interval():
    rng, inside, raw = np.random.default_rng(3), 0, 0
    trials = 400
    for _ in range(trials):
        sens, spec, share = rng.uniform(0.75, 0.99), rng.uniform(0.75, 0.99), rng.uniform(0.02, 0.98)
        hits = rng.binomial(300, share * sens + (1 - share) * (1 - spec))
        error = GraderError(int(rng.binomial(150, sens)), 150, int(rng.binomial(150, spec)), 150)
        found, plain = rogan_gladen(hits, 300, error), wilson(hits, 300)
        inside += found.low <= share <= found.high
        raw += plain.low <= share <= plain.high
    assert 0.93 <= inside / trials <= 0.99
    assert raw / trials < 0.7


def test_a_grader_that_knows_too_little_is_refused():
    assert rogan_gladen(30, 100, GraderError(30, 50, 29, 50)) is None  # 0.60 + 0.58 - 1
    assert rogan_gladen(30, 100, GraderError(0, 0, 29, 50)) is None
    assert rogan_gladen(0, 100, GraderError(45, 50, 45, 50)).value == 0  # clipped


def test_images_of_one_prompt_that_always_agree_are_worth_one():
    assert intraclass([4, 0, 4, 0], [4] * 4) == 1
    assert effective_n([4, 0, 4, 0, 4], [4] * 5) == 5
    assert effective_n([1, 0, 1, 1], [1] * 4) == 4
    assert effective_n([], []) == 0


@pytest.mark.parametrize(("groups", "gap"), [(2, 0.064), (4, 0.115), (6, 0.142), (12, 0.182), (48, 0.25)])
def test_the_gap_of_equal_groups_is_not_zero_and_its_null_value_says_so(groups, gap):
    rng = np.random.default_rng(0)
    ones = np.ones(50)
    drawn = [[(rng.binomial(1, 0.8, 50).astype(float), ones) for _ in range(groups)] for _ in range(40)]
    found = [null_gap(one, seed, 99) for seed, one in enumerate(drawn)]
    assert np.mean([one[1] for one in found]) == pytest.approx(gap, abs=0.02)
    assert np.mean([one[2] for one in found]) > 0.35  # p values of equal groups
    assert null_gap([(ones, ones), (1 - ones, ones)])[2] < 0.01
    assert math.isnan(null_gap([(ones, ones)])[0])
