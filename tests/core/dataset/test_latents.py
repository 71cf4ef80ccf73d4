"""Latents of synthetic portraits: in the image's comment, in a parquet column, and through every reader."""

import json

import numpy as np
import pytest
from support.style_faces import write_faces

from text2face_core.dataset import open_dataset, read_latent, read_portrait_record, write_portrait
from text2face_core.errors import SourceError

PIXELS = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
LATENT = np.linspace(-3, 3, 512).astype(np.float16).astype(np.float32)


def test_a_portrait_holds_its_latent_and_how_it_was_made(tmp_path):
    write_portrait(tmp_path / "a.jpg", PIXELS, LATENT, {"seed": 7})
    assert np.array_equal(read_latent(tmp_path / "a.jpg"), LATENT)
    assert read_portrait_record(tmp_path / "a.jpg")["seed"] == 7


@pytest.mark.parametrize(
    "comment",
    [
        b"",
        b"made by hand",
        b'{"text2face": 5}',
        b'{"text2face": {"latent": "not base64!"}}',
        b'{"text2face": {"latent": 3}}',
        b'{"text2face": {"latent": "AHw="}}',  # infinity
        b'{"text2face": ' + b"[" * 20_000,
        b'{"text2face": "\xff\xfe"}',
    ],
)
def test_other_comments_are_not_latents(tmp_path, comment):
    from PIL import Image

    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", comment=comment)
    assert read_latent(tmp_path / "a.jpg") is None


def test_files_that_are_not_images_hold_none(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"text2face")
    assert read_latent(tmp_path / "a.jpg") is None
    assert read_latent(tmp_path / "missing.jpg") is None


def test_an_imagefolder_hands_out_the_latents_of_its_files(tmp_path):
    write_portrait(tmp_path / "a.jpg", PIXELS, LATENT, {})
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "a.jpg", "text": "a man"}) + "\n")
    assert np.array_equal(open_dataset(tmp_path).latent(0), LATENT)


def test_a_parquet_table_of_latents_needs_no_images(tmp_path):
    latents = write_faces(tmp_path / "faces.parquet", count=300)  # several row groups
    dataset = open_dataset(tmp_path / "faces.parquet")
    assert len(dataset) == 300
    assert np.array_equal(np.stack([dataset.latent(index) for index in (299, 0, 150)]), latents[[299, 0, 150]])
    assert [style for _, style in dataset.captions(0)] == ["short", "long"]
    with pytest.raises(SourceError, match="no images"):
        dataset.image(0)


def test_latents_of_differing_length_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"latent": [[1.0], [1.0, 2.0]], "text": ["a", "b"]}), tmp_path / "faces.parquet")
    with pytest.raises(SourceError, match="fixed length"):
        open_dataset(tmp_path / "faces.parquet").latent(0)
