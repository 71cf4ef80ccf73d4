"""Random draws: the same whoever asks and when, and as likely as they are said to be."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from text2face_core.training.randomness import SampleRandom, choose_held_out, shuffle_epoch

torch = pytest.importorskip("torch")

MANY = 20_000


def chances(draw) -> np.ndarray:
    """What many samples draw."""
    return np.array([draw(SampleRandom(7, number // 1000, number % 1000)) for number in range(MANY)])


def assert_share(found: np.ndarray, expected: float) -> None:
    """Within five standard errors: a sound generator fails this once in two million."""
    error = (expected * (1 - expected) / len(found)) ** 0.5
    assert abs(found.mean() - expected) <= 5 * error


def test_an_epoch_shows_every_sample_once_and_each_epoch_in_its_own_order():
    first, second = shuffle_epoch(0, 0, 1000), shuffle_epoch(0, 1, 1000)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert (first == second).mean() < 0.02
    assert (first == np.arange(1000)).mean() < 0.02
    assert (shuffle_epoch(1, 0, 1000) != first).any()
    assert np.array_equal(first, shuffle_epoch(0, 0, 1000))


def test_every_order_is_equally_likely():
    counts = Counter(tuple(shuffle_epoch(seed, 0, 3)) for seed in range(6000))
    assert len(counts) == 6
    chi_squared = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    assert chi_squared < 26  # five degrees of freedom: one in 10,000


def test_held_out_samples_are_the_same_in_every_epoch_and_differ_between_seeds():
    kept = choose_held_out(0, 100, 10)
    assert len(set(kept)) == 10
    assert np.array_equal(kept, np.sort(kept))
    assert np.array_equal(kept, choose_held_out(0, 100, 10))
    assert not np.array_equal(kept, choose_held_out(1, 100, 10))
    assert len(choose_held_out(0, 3, 10)) == 3


def test_draws_do_not_depend_on_what_was_drawn_before():
    shape = (4, 8, 8)
    alone = SampleRandom(0, 3, 5).noise(shape)
    draws = SampleRandom(0, 3, 5)
    torch.manual_seed(1)
    draws.latent_noise(shape), draws.choose_caption(["", ""]), draws.choose_timestep(1000), torch.randn(3)
    assert torch.equal(draws.noise(shape), alone)


@pytest.mark.nightly
def test_draws_are_the_same_in_another_process():
    choices = "d.choose_timestep(1000), d.choose_caption(['', '', '']), d.flips(), d.noise((2, 3)).tolist()"
    printed = f"{choices}, o.shuffle_epoch(3, 1, 9).tolist()"
    code = f"from text2face_core.training import randomness as o; d = o.SampleRandom(3, 1, 4); print({printed})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    draws = SampleRandom(3, 1, 4)
    here = (
        draws.choose_timestep(1000),
        draws.choose_caption(["", "", ""]),
        draws.flips(),
        draws.noise((2, 3)).tolist(),
    )
    assert told.stdout.strip() == " ".join(map(str, (*here, shuffle_epoch(3, 1, 9).tolist())))


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["seed", "epoch", "sample"])
def test_noise_differs_between_seeds_epochs_and_samples(other):
    mine, theirs = SampleRandom(0, 0, 0), SampleRandom(*other)
    for draw in ("latent_noise", "noise"):
        one, two = getattr(mine, draw)((4, 32, 32)), getattr(theirs, draw)((4, 32, 32))
        assert abs(float((one * two).mean())) < 5 / 64


def test_noise_is_standard_normal_and_its_kinds_are_independent():
    shape = (4, 96, 96)
    samples = [SampleRandom(0, 0, number) for number in range(20)]
    noise, latent = (torch.stack([getattr(one, kind)(shape) for one in samples]) for kind in ("noise", "latent_noise"))
    count = noise.numel()
    for values in (noise, latent):
        assert values.dtype == torch.float32
        assert abs(float(values.mean())) < 5 / count**0.5
        assert abs(float(values.var()) - 1) < 5 * (2 / count) ** 0.5
        assert abs(float((values**4).mean()) - 3) < 5 * (96 / count) ** 0.5
    assert abs(float((noise * latent).mean())) < 5 / count**0.5
    assert SampleRandom(0, 0, 0).noise_offset(4).shape == (4, 1, 1)


def test_timesteps_are_evenly_spread():
    found = chances(lambda draws: draws.choose_timestep(1000))
    assert found.min() >= 0
    assert found.max() <= 999
    counts = np.bincount(found // 50, minlength=20)
    assert ((counts - MANY / 20) ** 2 / (MANY / 20)).sum() < 55  # 19 degrees of freedom: one in 25,000
    assert {0, 999} <= set(found)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("what", ["drops_caption", "flips"])
def test_dropout_and_flip_come_as_often_as_asked(what, probability):
    assert_share(chances(lambda draws: getattr(draws, what)(probability)), probability)


def test_choices_of_one_sample_are_independent():
    dropped = chances(lambda draws: draws.drops_caption(0.5))
    flipped = chances(lambda draws: draws.flips())
    early = chances(lambda draws: draws.choose_timestep(1000)) < 500
    for one, two in ((dropped, flipped), (dropped, early), (flipped, early)):
        assert_share(one & two, 0.25)


def test_without_shares_every_caption_is_equally_likely():
    found = chances(lambda draws: draws.choose_caption(["long", "short", "short"]))
    for number in range(3):
        assert_share(found == number, 1 / 3)


@pytest.mark.parametrize(
    ("styles", "shares", "expected"),
    [
        (["short", "long"], {"short": 0.5, "long": 0.5}, [0.5, 0.5]),  # RECAP's mix
        (
            ["short", "long", "long", "long"],
            {"short": 1, "long": 1},
            [1 / 2, 1 / 6, 1 / 6, 1 / 6],
        ),  # by style, not by number
        (["short", "long"], {"short": 3, "long": 1}, [0.75, 0.25]),  # weights, not probabilities
        (["long", "long"], {"short": 0.5, "long": 0.5}, [0.5, 0.5]),  # has no short one
        (["long", ""], {"long": 1.0}, [1.0, 0.0]),  # what has no share waits
        (["", ""], {"short": 0.5, "long": 0.5}, [0.5, 0.5]),  # no styles known: all alike
        (["short", "long"], {"short": 0.0, "long": 0.0}, [0.5, 0.5]),
    ],
)
def test_styles_are_mixed_by_their_shares(styles, shares, expected):
    found = chances(lambda draws: draws.choose_caption(styles, shares))
    for number, share in enumerate(expected):
        assert_share(found == number, share)


def test_a_sample_sees_all_its_captions_over_the_epochs():
    seen = {SampleRandom(0, epoch, 11).choose_caption(["", "", "", ""]) for epoch in range(40)}
    assert seen == {0, 1, 2, 3}


def test_a_sample_without_captions_is_an_error_and_not_a_guess():
    with pytest.raises(ValueError, match="no caption"):
        SampleRandom(0, 0, 3).choose_caption([])
