"""Plans: a sample is measured, and the whole reckoned from it."""

import json

import pytest
from support import toys

from text2face_core.cli import main
from text2face_core.errors import NothingToDo
from text2face_core.library import plan_run
from text2face_core.models import ModelStore
from text2face_core.sources import Sources, use_sources


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


@pytest.fixture
def photos(tmp_path):
    for number in range(12):
        toys.draw_photo(tmp_path / "photos" / f"{number}.png", age=20 + number)
    for number in range(4):
        toys.draw_photo(tmp_path / "photos" / f"empty {number}.png", faces=[])
    return tmp_path / "photos"


def test_the_whole_is_reckoned_from_a_sample(photos, toy_plugins, toy_recipe):
    given = {"plugins": toy_plugins, "models": ModelStore()}
    small = plan_run([photos], toy_recipe, sample=16, **given)
    assert (small.photos, small.sample, small.accepted) == (16, 16, 0.75)
    large = plan_run([photos], toy_recipe, photos=1_000_000, sample=8, **given)
    assert (large.photos, large.sample) == (1_000_000, 8)
    assert large.disk == pytest.approx(large.bytes_per_photo * 1_000_000)
    assert large.hours == pytest.approx(sum(large.seconds.values()) * 1_000_000 / 3600, rel=1e-3)
    assert large.files > 0.5 * large.accepted * 1_000_000
    assert {"listing", "reading and decoding", "toy", "toy.shade", "toy.echo"} <= large.seconds.keys()
    assert large.prompt_tokens == 0
    assert not list(photos.parent.glob("runs"))


def test_the_sample_is_the_same_each_time(photos, toy_plugins, toy_recipe):
    from text2face_core.library.planning import _choose

    use_sources(Sources(toy_plugins))
    first, listed = _choose([photos], 5, None)
    assert listed == 16
    assert len(first) == len({photo.photo_id for photo in first}) == 5
    assert first == _choose([photos], 5, None)[0]
    assert len(_choose([photos], 50, None)[0]) == 16
    assert _choose([photos], 5, 7)[1] == 7


def test_nothing_to_plan_for_is_said(tmp_path, toy_plugins, toy_recipe):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDo):
        plan_run([tmp_path / "empty"], toy_recipe, plugins=toy_plugins, models=ModelStore())


def test_the_command_prints_hours_disk_and_where_the_time_goes(example_photos, starter_models, capsys):
    given = ["plan", str(example_photos), "--sample", "3", "--photos", "50000000"]
    assert main(given) == 0
    shown = capsys.readouterr().out
    assert "50,000,000 photos" in shown
    assert "on 64 such machines" in shown
    assert "yunet" in shown
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sample"] == 3
