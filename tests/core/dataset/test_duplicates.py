"""Duplicates among a run's photos, and what leaves them out."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import toys

from text2face_core import RunDirectory
from text2face_core.dataset import export_dataset, open_dataset, write_metadata
from text2face_core.dataset.duplicates import find_duplicates
from text2face_core.library import Session
from text2face_core.models.store import ModelStore


@pytest.fixture
def run_with(tmp_path, toy_plugins, toy_recipe, toy_photos):
    """A run over photos of which one has an exact and one a near copy, with the setting given."""
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        draw_noise(toy_photos / f"{name}.png", seed)
    shutil.copyfile(toy_photos / "a.png", toy_photos / "z copy of a.png")
    with Image.open(toy_photos / "b.png") as image:
        image.save(toy_photos / "y copy of b.png", compress_level=1)  # the same pixels in another file

    def make(*settings):
        run = RunDirectory(tmp_path / "out")
        session = Session(run=run, plugins=toy_plugins, models=ModelStore(), chunk_size=4)
        with run.lock():
            session.caption(session.analyse([toy_photos], toy_recipe.with_settings(settings)))
            write_metadata(run)
        return run

    return make


def draw_noise(path, seed):
    """A toy photo in front of a ground of its own."""
    toys.draw_photo(path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).copy()
    coarse = np.random.default_rng(seed).integers(0, 170, (12, 16, 3)).astype(np.uint8)
    ground = np.asarray(Image.fromarray(coarse).resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.BICUBIC))
    face = (pixels == pixels[80, 100]).all(axis=2)
    pixels[~face] = ground[~face]
    Image.fromarray(pixels).save(path)


def names(run, ids):
    uris = {photo.photo_id: photo.uri.rpartition("/")[2] for photo in run.photos()}
    return {uris[one] for one in ids}


def listed(run):
    return [json.loads(line)["photo_id"] for line in (run.dataset / "metadata.jsonl").read_text().splitlines()]


def test_by_default_duplicates_stay(run_with):
    run = run_with()
    assert find_duplicates(run) == {}
    assert {"a.png", "z copy of a.png", "b.png", "y copy of b.png"} <= names(run, listed(run))


@pytest.mark.parametrize(
    ("which", "left_out"),
    [("exact", {"z copy of a.png"}), ("near", {"z copy of a.png", "y copy of b.png"})],
)
def test_copies_are_left_out_of_data_set_training_and_exports(run_with, tmp_path, which, left_out, caplog):
    run = run_with(f"dataset.duplicates={which}")
    everything = {row.photo_id for row, _ in run.rows() if row.status == "ok"}
    copies = {"z copy of a.png", "y copy of b.png"}
    for ids in (
        listed(run),
        [photo.key for photo in open_dataset(run.path)],
        [json.loads(line)["photo_id"] for line in exported(run, tmp_path).splitlines()],
    ):
        assert names(run, everything - set(ids)) & copies == left_out
        assert {"a.png", "b.png", "c.png"} <= names(run, ids)
    assert "copies of others" in caplog.text


def exported(run, tmp_path):
    return (export_dataset(run, "jsonl", tmp_path / "export") / "photos.jsonl").read_text()


def test_the_setting_can_be_changed_without_analysing_again(run_with):
    run = run_with()
    before = [run.analysis_path(chunk).stat().st_mtime_ns for chunk in run.chunks()]
    count = len(listed(run))
    run = run_with("dataset.duplicates=exact")
    assert [run.analysis_path(chunk).stat().st_mtime_ns for chunk in run.chunks()] == before
    assert len(listed(run)) < count


def test_a_run_of_an_earlier_release_has_no_digests_and_so_no_duplicates(run_with):
    run = run_with("dataset.duplicates=near")
    for chunk in run.chunks():
        table = pq.read_table(run.analysis_path(chunk)).drop_columns(["content", "look"])
        pq.write_table(table.replace_schema_metadata(None), run.analysis_path(chunk))
    assert find_duplicates(run) == {}


def test_a_crop_that_is_too_small_is_a_rejection_with_its_size(run_with):
    run = run_with("dataset.smallest=5000")
    reasons = {row.reason for row, _ in run.rows() if row.reason.startswith("crop too small")}
    assert reasons
    assert all("dataset.smallest is 5000" in reason and " x " in reason for reason in reasons)
    assert not any(row.status == "ok" for row, _ in run.rows())
