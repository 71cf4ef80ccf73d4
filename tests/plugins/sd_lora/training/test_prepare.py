"""What is trained on and what is held out, what is said of it, and settings that cannot be meant."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.sd_training import Told, command, train

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("diffusers")

from t2f_sd_lora import SdLoraOptions  # noqa: E402
from t2f_sd_lora.cache.tokens import TokenCache  # noqa: E402
from t2f_sd_lora.model.base import load_base  # noqa: E402
from t2f_sd_lora.training.loader import BatchLoader  # noqa: E402

from text2face_core.cli import main  # noqa: E402
from text2face_core.dataset import ImageRef, open_dataset  # noqa: E402
from text2face_core.errors import BadPhoto, RunError, UsageError  # noqa: E402
from text2face_core.training.held_out import split_held_out  # noqa: E402
from text2face_core.training.loop import Loop  # noqa: E402
from text2face_core.training.sampler import SampleRef  # noqa: E402
from text2face_core.utils import temporary_path  # noqa: E402


def told_of(base, photos, out, **options):
    told = Told()
    train(base, photos, out, told, steps=1, **options)
    return told.said


def with_lines(photos, folder, change):
    """A copy of an imagefolder whose lines are changed."""
    shutil.copytree(photos, folder)
    lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in change(lines)))
    return folder


# --- held out ----------------------------------------------------------------------------------------------------


def test_a_picture_that_is_listed_several_times_is_on_one_side_only():
    usable, contents = np.arange(90), np.repeat(np.arange(30, dtype=np.uint64), 3)
    trained, apart = split_held_out(0, 90, usable, contents, 32)
    assert len(apart) == 3  # a tenth of the different ones
    assert len(trained) == 81
    assert not set(contents[trained]) & set(contents[apart])


@pytest.mark.parametrize("cache_latents", [True, False])
def test_lines_with_one_caption_each_do_not_teach_what_is_examined(
    tiny_base, photos16, tmp_path, shared_cache, cache_latents
):
    photos = with_lines(
        photos16, tmp_path / "photos", lambda lines: [{**one, "text": text} for one in lines for text in one["text"]]
    )
    options = {"held_out": 32, "cache": shared_cache, "cache_latents": cache_latents}
    said = told_of(tiny_base, photos, tmp_path / "out", **options)
    assert "45 photos to train on, 1 held out, and 2 left out that are copies of these" in said


def test_a_copy_under_another_name_is_the_same_picture(tiny_base, photos16, tmp_path, shared_cache):
    def copied(lines):
        for line in lines:
            name = line["file_name"].replace("images/", "images/copy-")
            shutil.copy(tmp_path / "photos" / line["file_name"], tmp_path / "photos" / name)
            yield from (line, {**line, "file_name": name})

    photos = with_lines(photos16, tmp_path / "photos", copied)
    said = told_of(tiny_base, photos, tmp_path / "out", held_out=1, cache=shared_cache)
    assert "30 photos to train on, 1 held out, and 1 left out that are copies of these" in said


def test_what_was_trained_on_is_not_examined_after_a_picture_was_lost():
    contents = np.arange(100, dtype=np.uint64)
    trained, apart = split_held_out(0, 100, np.arange(100), contents, 8)
    for lost in (int(trained[3]), int(apart[3])):
        usable = np.setdiff1d(np.arange(100), [lost])
        assert len(set(split_held_out(0, 100, usable, contents[usable], 8)[1]) & set(apart)) >= 7
    usable = np.setdiff1d(np.arange(100), trained[:5])
    assert split_held_out(0, 100, usable, contents[usable], 8)[1].tolist() == apart.tolist()


# --- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache_latents", [True, False])
def test_pictures_without_captions_and_broken_ones_are_counted_aloud(tiny_base, photos16, tmp_path, cache_latents):
    photos = with_lines(
        photos16, tmp_path / "photos", lambda lines: [{**one, "text": []} for one in lines[:3]] + lines[3:]
    )
    (photos / "images" / "05.png").write_bytes(b"no picture")
    said = told_of(tiny_base, photos, tmp_path / "out", cache_latents=cache_latents)
    assert "3 pictures have no caption and are left out" in said
    (broken,) = (line for line in said if "cannot be read" in line)
    assert broken.startswith("1 pictures cannot be read and are left out; the reasons are in ")
    assert Path(broken.rpartition(" in ")[2]).read_text().startswith("images/05.png\t")


def test_a_picture_that_could_not_be_opened_is_tried_again(tiny_base, photos16, tmp_path, monkeypatch):
    # The right to read a file is given, or a disk is back, without a change to size and date.
    content = ImageRef.content

    def refused(picture):
        if picture.path.endswith("02.png"):
            raise BadPhoto("unreadable: permission denied")
        return content(picture)

    options = {"cache": str(tmp_path / "cache"), "resume": "never"}
    with monkeypatch.context() as closed:
        closed.setattr(ImageRef, "content", refused)
        assert "15 photos to train on" in told_of(tiny_base, photos16, tmp_path / "out", **options)
    assert "16 photos to train on" in told_of(tiny_base, photos16, tmp_path / "out", **options)


def test_a_style_that_no_caption_has_is_refused_and_one_of_several_is_said(tiny_base, photos16, tmp_path, shared_cache):
    wanted = r"no caption has the style shrot .*sd_lora\.styles.*; captions have: no style"
    with pytest.raises(UsageError, match=wanted):
        told_of(tiny_base, photos16, tmp_path / "none", styles={"shrot": 1.0}, cache=shared_cache)
    styled = with_lines(
        photos16, tmp_path / "photos", lambda lines: [{**one, "style": ["short", "long", "long"]} for one in lines]
    )
    assert not any(
        "no caption has" in line for line in told_of(tiny_base, styled, tmp_path / "a", styles={"long": 1.0})
    )
    said = told_of(tiny_base, styled, tmp_path / "b", styles={"long": 0.5, "shrot": 0.5})
    assert any(re.fullmatch(wanted.removesuffix("no style") + "short, long", line) for line in said)


@pytest.mark.parametrize(("shares", "expected"), [({}, 1 / 3), ({"short": 0.5, "long": 0.5}, 0.5), ({"long": 1.0}, 0)])
def test_training_sees_short_and_long_captions_by_their_shares(tiny_base, photos16, tmp_path, shares, expected):
    photos = with_lines(
        photos16, tmp_path / "photos", lambda lines: [{**one, "style": ["short", "long", "long"]} for one in lines]
    )
    tokens = TokenCache.open(tmp_path / "cache", load_base(str(tiny_base)).tokenizer, open_dataset(photos))
    feed = BatchLoader(Blank(), tokens, SdLoraOptions(styles=shares, caption_dropout=0), 0, scale=1, timesteps=1000)
    seen = [SampleRef(epoch, index) for epoch in range(50) for index in range(16)]
    shown = feed.load_batch(seen).tokens
    short = torch.stack([tokens.ids(one.index, 0) for one in seen])
    assert float((shown == short).all(dim=1).float().mean()) == pytest.approx(expected, abs=0.05)


class Blank:
    """Latents of one number."""

    def moments(self, indices, flips):
        return torch.zeros(len(indices), 1, 1, 1), torch.zeros(len(indices), 1, 1, 1)


def test_beginning_anew_leaves_no_picture_of_before(tiny_base, photos16, tmp_path, shared_cache):
    options = {"cache": shared_cache, "inference_steps": 1}
    told_of(tiny_base, photos16, tmp_path, prompts=("a man",), **options)
    assert "## Samples" in (tmp_path / "README.md").read_text()
    told_of(tiny_base, photos16, tmp_path, resume="never", **options)
    assert not (tmp_path / "contact_sheet.png").exists()
    assert "## Samples" not in (tmp_path / "README.md").read_text()


def test_what_a_killed_training_left_half_written_goes_when_it_goes_on(tiny_base, photos16, tmp_path, shared_cache):
    told_of(tiny_base, photos16, tmp_path, cache=shared_cache)
    places = (tmp_path / "checkpoints" / "step-0000002.safetensors", tmp_path / "contact_sheet.png")
    left = [temporary_path(place) for place in places]
    for path in left:
        path.write_bytes(b"half a checkpoint")
    told_of(tiny_base, photos16, tmp_path, cache=shared_cache)
    assert not [path for path in left if path.exists()]


def test_checkpoints_of_an_unknown_training_are_not_gone_on_with(tiny_base, photos16, tmp_path, shared_cache):
    told_of(tiny_base, photos16, tmp_path, cache=shared_cache)
    (tmp_path / "train.toml").unlink()
    with pytest.raises(RunError, match=r"holds checkpoints, but no train.toml .*--fresh"):
        told_of(tiny_base, photos16, tmp_path, cache=shared_cache, rank=4)
    told_of(tiny_base, photos16, tmp_path, cache=shared_cache, rank=4, resume="never")


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"betas": (1.5, 0.9)}, {"betas": (0.9, 1.0)}, {"inference_steps": 1001}])
def test_numbers_that_no_optimiser_or_sampler_takes_are_refused_at_once(options):
    with pytest.raises(ValueError, match="should be less than"):
        SdLoraOptions(**options)


@pytest.mark.parametrize(("real", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_is_the_default_where_the_gpu_computes_in_it_and_does_not_imitate_it(real, dtype, monkeypatch):
    from text2face_core.library import choose_hardware

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: real or including_emulation)
    assert choose_hardware(threads=1) == ("cuda", dtype, 1)


def test_too_little_memory_is_said_with_the_way_out(tiny_base, photos16, tmp_path, shared_cache, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

    with monkeypatch.context() as small:
        small.setattr(Loop, "compute_loss", full)
        with pytest.raises(RunError, match=r"--batch-size 2 --set sd_lora.accumulation=2, or .*gradient_checkpointing"):
            told_of(tiny_base, photos16, tmp_path, batch_size=4, cache=shared_cache)
    told_of(tiny_base, photos16, tmp_path, batch_size=2, accumulation=2, cache=shared_cache)


def test_what_is_pushed_to_the_hub_is_the_result_and_nothing_else(
    tiny_base, photos16, tmp_path, shared_cache, monkeypatch, capsys
):
    import huggingface_hub

    asked = []

    class Hub:
        def create_repo(self, name, **given):
            asked.append((name, given))
            return f"https://hub/{name}"

        def upload_folder(self, **given):
            asked.append(given)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    given = command(tiny_base, photos16, tmp_path / "out", cache=shared_cache, steps=1)
    assert main([*given, "--push-to-hub=me/faces"]) == 0
    assert "uploaded to https://hub/me/faces" in capsys.readouterr().err
    assert asked[0] == ("me/faces", {"private": True, "exist_ok": True})
    wanted = asked[1]["allow_patterns"]
    sent = {path.name for pattern in wanted for path in (tmp_path / "out").glob(pattern)}
    assert sent == {
        "pytorch_lora_weights.safetensors",
        "text2face_lora_kohya.safetensors",
        "README.md",
        "train.jsonl",
    }
