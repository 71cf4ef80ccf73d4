"""Pictures that were replaced, deleted or added since a training began are noticed when it is resumed."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from support.sd_training import Told, train

pytest.importorskip("torch")

from t2f_sd_lora.output.pictures import RECORD, describe_changes

from text2face_core.errors import RunError


@pytest.fixture
def photos(photos16, tmp_path):
    shutil.copytree(photos16, tmp_path / "photos")
    return tmp_path / "photos"


def replace_one(photos):
    Image.new("RGB", (96, 96), "red").save(photos / "images" / "03.png")


@pytest.mark.nightly
@pytest.mark.parametrize("cache_latents", [True, False])
def test_resuming_notices_replaced_and_deleted_pictures(tiny_base, photos, tmp_path, cache_latents):
    options = {"checkpoint_every": 1, "cache_latents": cache_latents}
    out, found = tmp_path / "out", "1 replaced, 2 deleted or unreadable"
    train(tiny_base, photos, out, steps=1, **options)
    train(tiny_base, photos, out, steps=2, **options)  # nothing changed
    replace_one(photos)
    (photos / "images" / "04.png").unlink()
    (photos / "images" / "05.png").write_text("not a picture any more")
    with pytest.raises(RunError, match=rf"other pictures \({found} since\).*--resume.*--fresh"):
        train(tiny_base, photos, out, steps=3, **options)
    told = Told()
    train(tiny_base, photos, out, told, steps=3, resume="always", **options)
    assert f"resuming with other pictures: {found}" in told.said
    train(tiny_base, photos, out, steps=4, **options)  # now known


def pictures(**versions):
    found = np.array([(ord(key), version) for key, version in versions.items()], RECORD)
    return np.sort(found, order=["key", "version"])


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ""),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "1 replaced"),
        ({"a": 1, "b": 2}, {"a": 1}, "1 deleted or unreadable"),
        ({"a": 1}, {"a": 1, "b": 2, "c": 2}, "2 new"),
        ({"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 2, "d": 3}, "1 replaced, 1 deleted or unreadable, 1 new"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}, "2 replaced"),
        ({"a": 1}, {}, "1 deleted or unreadable"),
    ],
)
def test_changes_of_pictures_are_counted(before, now, changes):
    assert describe_changes(pictures(**before), pictures(**now)) == changes
    assert describe_changes(None, pictures(**now)) == ""


@pytest.mark.parametrize("cache_latents", [True, False])
def test_a_data_set_that_was_moved_holds_the_same_pictures(tiny_base, photos, tmp_path, cache_latents):
    options = {"checkpoint_every": 1, "cache_latents": cache_latents}
    train(tiny_base, photos, tmp_path / "out", steps=1, **options)
    photos.rename(tmp_path / "moved")
    train(tiny_base, tmp_path / "moved", tmp_path / "out", steps=2, **options)


def test_a_touched_picture_is_the_same_when_its_latents_are_cached(tiny_base, photos, tmp_path):
    train(tiny_base, photos, tmp_path / "out", steps=1)
    os.utime(photos / "images" / "03.png", (1, 1))
    train(tiny_base, photos, tmp_path / "out", steps=2)


def test_a_training_without_a_record_can_be_resumed(tiny_base, photos, tmp_path):
    train(tiny_base, photos, tmp_path / "out", steps=1)
    (tmp_path / "out" / "pictures.npy").unlink()
    replace_one(photos)
    train(tiny_base, photos, tmp_path / "out", steps=2)


# --- settings that are paths or have new names ----------------------------------------------------------------------


@pytest.mark.nightly
def test_a_relative_base_is_recorded_by_its_absolute_path(tiny_base, photos, tmp_path, monkeypatch):
    from support.sd_drawing import REQUESTS, open_one

    monkeypatch.chdir(tiny_base.parent)
    train(tiny_base.name, photos, tmp_path / "out", steps=1)
    assert str(tiny_base) in (tmp_path / "out" / "train.toml").read_text()
    monkeypatch.chdir(tmp_path)
    assert open_one(None, tmp_path / "out").identity(REQUESTS[0])["base"] == tiny_base.name
    train(tiny_base, photos, tmp_path / "out", steps=2)
    # as release 0.1 recorded it
    toml = tmp_path / "out" / "train.toml"
    toml.write_text(toml.read_text().replace(json.dumps(str(tiny_base)), json.dumps(tiny_base.name)))
    monkeypatch.chdir(tiny_base.parent)
    train(tiny_base, photos, tmp_path / "out", steps=3)


def test_an_option_by_its_old_name_still_works(tiny_base, photos, tmp_path):
    from t2f_sd_lora import SdLoraOptions

    with pytest.warns(DeprecationWarning, match="sd_lora.draw_steps is now called sd_lora.inference_steps"):
        assert SdLoraOptions(draw_steps=3).inference_steps == 3
    train(tiny_base, photos, tmp_path / "out", steps=1)
    toml = tmp_path / "out" / "train.toml"
    toml.write_text(toml.read_text().replace("inference_steps", "draw_steps"))
    train(tiny_base, photos, tmp_path / "out", steps=2, inference_steps=3)
