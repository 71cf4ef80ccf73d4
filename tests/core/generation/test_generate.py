"""Files of drawn pictures: their names, what they tell of themselves, and how drawing goes on after it was stopped."""

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from support.drawn_run import make_run
from support.toy_generator import PlateGenerator, PlateOptions, plate

from text2face_core.contracts import GenerationRequest
from text2face_core.errors import NothingToDo, SourceError
from text2face_core.generation import files
from text2face_core.generation.generate import ImageSpec, generate_images, image_seed, plan_images, warn_of_unread
from text2face_core.generation.prompts import Prompt, read_prompts
from text2face_core.library import Silent

LIKE = GenerationRequest("", 0, 48, 32, steps=5)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
AWKWARD = [
    *("", " ", ".", "..", "...png", "CON", "nul.txt", "a/b\\c:d*e?f", "~/x", "-rf", "a\0b", "a\nb", "x" * 500),
    *("ŻÓŁĆ", "中文的提示", "👩🏽 smiling", "A man, 30-ish.", " lead", "trail. ", "%PATH%", "$(rm)", "com1", "é" * 300),
]


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def generator():
    return PlateGenerator(PlateOptions(), "loras/mine")


def pictures(*prompts: str, per_prompt: int = 1, **changed) -> list[ImageSpec]:
    return plan_images([Prompt(text) for text in prompts], replace(LIKE, **changed), per_prompt)


def check_name(name: str) -> None:
    assert re.fullmatch(r"\d{5}-\d\d-[a-z0-9-]*[a-z0-9]-[0-9a-f]{8}\.png", name)
    assert len(name) <= 90


@given(TEXTS)
def test_any_prompt_gives_a_name_that_every_file_system_takes(prompt):
    check_name(
        files.name_of(
            ImageSpec(replace(LIKE, prompt=prompt)), files.image_record(replace(LIKE, prompt=prompt), {})["key"]
        )
    )


@pytest.mark.parametrize("prompt", AWKWARD)
def test_awkward_prompts_can_be_drawn(prompt, generator, tmp_path):
    (picture,) = pictures(prompt)
    (path,) = generate_images(generator, [replace(picture, mark="base / 1")], tmp_path, 1, Silent()).paths
    check_name(path.name)
    assert np.array_equal(np.asarray(Image.open(path)), plate(picture.request))
    assert [child.name for child in tmp_path.iterdir() if child.suffix == ".png"] == [path.name]


@settings(max_examples=40)
@given(st.lists(TEXTS, min_size=2, max_size=2, unique=True))
def test_no_two_prompts_have_one_name_where_case_does_not_count(prompts):
    requests = [replace(LIKE, prompt=prompt) for prompt in prompts]
    names = {files.name_of(ImageSpec(one), files.image_record(one, {})["key"]).lower() for one in requests}
    assert len(names) == 2


@settings(max_examples=40)
@given(TEXTS, TEXTS, st.integers(0, 2**64 - 1), st.floats(0, 30), st.floats(-2, 2))
def test_a_picture_tells_all_that_made_it(prompt, negative, seed, guidance, scale):
    one = replace(LIKE, prompt=prompt, negative=negative, seed=seed, guidance=guidance, scale=scale)
    told = files.image_record(one, {"base": "SD 2.1, mirrored", "revision": "abc", "lora": "mine"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.png"
        files.write_image(path, plate(replace(one, scale=1.0)), told)
        assert files.read_record(path) == told
        with Image.open(path) as image:
            texts = dict(image.text)
    assert texts["prompt"] == prompt.replace("\0", " ") if prompt else "prompt" not in texts
    assert texts["seed"] == str(seed)
    shown = texts["parameters"].replace("\n", " ")
    assert shown.startswith(prompt.replace("\0", " ").replace("\n", " "))
    assert f"Steps: 5, CFG scale: {guidance}, Seed: {seed}, Size: 48x32, " in shown
    assert 'Model: "SD 2.1, mirrored", Model revision: abc, Lora: mine' in shown


def test_the_parameters_are_those_of_web_user_interfaces(generator):
    one = replace(LIKE, prompt="A man.", negative="blurry", seed=7)
    assert files.parameters(files.image_record(one, generator.identity(one))) == (
        "A man.\nNegative prompt: blurry\n"
        "Steps: 5, Sampler: Plates, CFG scale: 7.5, Seed: 7, Size: 48x32, Model: plates, "
        "Model revision: 0123456789abcdef, Lora: loras/mine, Lora scale: 1.0, "
        'Lora hashes: "loras/mine: abababababab", Version: text2face 0.1.0'
    )


def test_seeds_differ_and_the_one_that_a_picture_tells_draws_it_again():
    seeds = [image_seed(3, prompt, number) for prompt in range(40) for number in range(25)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[0] == 3
    assert image_seed(seeds[30], 0, 0) == seeds[30]
    assert image_seed(4, 1, 0) != image_seed(3, 1, 0)


def test_what_is_there_is_not_drawn_again(generator, tmp_path):
    asked = pictures("One.", "Two.", "Three.", per_prompt=3)
    first = generate_images(generator, asked, tmp_path, 4, Silent())
    assert (first.new, first.failed, generator.batches) == (9, 0, [4, 4, 1])
    before = {path: path.stat().st_mtime_ns for path in first.paths}
    again = generate_images(generator, asked, tmp_path, 2, said := Said())
    assert (again.new, again.paths) == (0, first.paths)
    assert len(said.lines) == 1
    assert "all 9 image(s)" in said.lines[0]
    assert {path: path.stat().st_mtime_ns for path in again.paths} == before
    assert len(generator.batches) == 3


@pytest.mark.parametrize("change", [{"steps": 6}, {"guidance": 3.0}, {"negative": "x"}, {"seed": 1}, {"width": 64}])
def test_another_setting_draws_another_picture_beside_the_first(change, generator, tmp_path):
    generate_images(generator, pictures("One."), tmp_path, 4, Silent())
    assert generate_images(generator, pictures("One.", **change), tmp_path, 4, Silent()).new == 1
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert len((tmp_path / "generated.jsonl").read_text().splitlines()) == 2


def test_another_model_draws_another_picture_and_strength_0_is_the_base_model(tmp_path):
    def new(model, scale):
        generator = PlateGenerator(PlateOptions(), model)
        return generate_images(generator, pictures("One.", scale=scale), tmp_path, 4, Silent()).new

    assert [new("a", 1.0), new("b", 1.0), new("b", 0.5), new("b", 1.0)] == [1, 1, 1, 0]
    assert [new("a", 0.0), new(None, 0.0)] == [1, 0]


@pytest.mark.parametrize("damage", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", slice(100), slice(-20), "other"])
def test_a_picture_that_is_no_whole_picture_of_ours_is_drawn_again(damage, generator, tmp_path):
    (path,) = generate_images(generator, pictures("One."), tmp_path, 1, Silent()).paths
    whole = path.read_bytes()
    if damage == "other":
        Image.new("RGB", (48, 32)).save(path)
    else:
        path.write_bytes(whole[damage] if isinstance(damage, slice) else damage)
    assert generate_images(generator, pictures("One."), tmp_path, 1, Silent()).new == 1
    assert path.read_bytes() == whole


def test_stopped_drawing_goes_on_where_it_stopped(generator, tmp_path):
    class Stopped(PlateGenerator):
        def generate(self, requests, on_step=None):
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().generate(requests)

    asked = pictures(*(f"Number {number}." for number in range(7)))
    with pytest.raises(KeyboardInterrupt):
        generate_images(Stopped(PlateOptions(), "loras/mine"), asked, tmp_path / "stopped", 2, Silent())
    lines = (tmp_path / "stopped" / "generated.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [f"Number {number}." for number in range(4)]
    assert generate_images(generator, asked, tmp_path / "stopped", 2, Silent()).new == 3
    generate_images(generator, asked, tmp_path / "calm", 3, Silent())
    assert contents(tmp_path / "stopped") == contents(tmp_path / "calm")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_picture_that_cannot_be_drawn_is_told_and_tried_again(tmp_path):
    asked = pictures("Good.", "Bad.", "Good too.")
    drawn = generate_images(PlateGenerator(PlateOptions(refused="Bad"), None), asked, tmp_path, 2, Silent())
    assert [path is None for path in drawn.paths] == [False, True, False]
    assert (drawn.new, drawn.failed, drawn.reasons) == (2, 1, ("it is refused",))
    assert len(list(tmp_path.glob("*.png"))) == len((tmp_path / "generated.jsonl").read_text().splitlines()) == 2
    assert generate_images(PlateGenerator(PlateOptions(), None), asked, tmp_path, 2, Silent()).new == 1


def test_the_manifest_has_each_picture_with_its_prompt_and_source(generator, tmp_path):
    asked = plan_images([Prompt("Ends\u2028of lines\x85everywhere.", "0a1b"), Prompt("Zwei.")], LIKE, 2)
    (tmp_path / "generated.jsonl").write_text('no json\n[]\n{"file_name": "gone.png"}\n')
    paths = generate_images(generator, asked, tmp_path, 4, Silent()).paths
    generate_images(generator, pictures("Later."), tmp_path, 4, Silent())
    entries = [json.loads(line) for line in (tmp_path / "generated.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert len(entries) == 5
    found = {entry["file_name"]: entry for entry in entries}
    for picture, path in zip(asked, paths, strict=True):
        entry = found[path.name]
        assert entry["text"] == entry["prompt"] == picture.request.prompt
        assert entry.get("source", "") == picture.source
        assert {**entry, "file_name": "", "text": "", "source": ""} == {
            **files.read_record(path), "file_name": "", "text": "", "source": ""
        }  # fmt: skip


def test_a_batch_that_takes_long_says_how_far_it_is(monkeypatch, tmp_path):
    class Slow(PlateGenerator):
        def generate(self, requests, on_step=None):
            for _ in range(requests[0].steps):
                on_step()
            return super().generate(requests)

    monkeypatch.setattr("text2face_core.generation.generate.SAY_EVERY_SECONDS", 0.0)
    generate_images(Slow(PlateOptions(), None), pictures("One.", "Two."), tmp_path, 2, said := Said())
    assert [line.partition(",")[0] for line in said.lines] == [f"step {step} of 5" for step in range(1, 5)]


def test_too_long_prompts_are_told_with_what_is_not_read(generator):
    said = Said()
    prompts = ["Short.", *(f"{number} {'x' * 60} and the end" for number in range(8))]
    assert warn_of_unread(generator, [*prompts, *prompts], said) == 8
    assert len(said.lines) == 6
    assert "prompt too long" in said.lines[0]
    assert "and the end" in said.lines[0]
    assert "3 more prompts" in said.lines[-1]


def test_a_picture_tells_what_of_its_prompt_was_not_read(generator, tmp_path):
    paths = generate_images(generator, pictures("Short.", "x" * 60 + " the end"), tmp_path, 2, Silent()).paths
    assert [files.read_record(path).get("unread") for path in paths] == [None, " the end"]
    told = [json.loads(line).get("unread") for line in (tmp_path / "generated.jsonl").read_text().splitlines()]
    assert told == [None, " the end"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.txt", "One.\n\n  Two. \r\nThree", ["One.", "Two.", "Three"]),
        ("p.txt", "\ufeffWith a mark.\n", ["With a mark."]),
        ("p.txt", "# Portraits\nOne # two.\n  # three\n", ["One # two."]),
        ("p.jsonl", '{"prompt": "One."}\n{"text": "Two."}\n\n{"text": ["Three.", "x"]}', ["One.", "Two.", "Three."]),
        ("p.JSONL", '{"prompt": "One.", "text": "not this"}', ["One."]),
    ],
)
def test_prompts_from_a_file(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content.encode())
    assert [prompt.text for prompt in read_prompts((), tmp_path / name)] == expected
    given = read_prompts(["First."], tmp_path / name, limit=2)
    assert [prompt.text for prompt in given] == ["First.", *expected][:2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.jsonl", b'{"prompt": "One."}\n{"caption": "Two."}', 'line 2 has no prompt; it should be {"prompt"'),
        ("p.jsonl", b'"One."', "line 1 has no prompt"),
        ("p.jsonl", b'{"text": []}', "line 1 has no prompt"),
        ("p.jsonl", b"One.", "line 1 is not valid JSON"),
        ("p.jsonl", b'{"prompt": "\\ud800"}', "not valid Unicode"),
        ("p.txt", b"\xff\xfe\xfa", "cannot be read"),
    ],
)
def test_a_file_that_holds_no_prompts_is_refused_with_its_line(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=re.escape(words)):
        read_prompts((), tmp_path / name)


def test_no_prompt_at_all_is_nothing_to_do(tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(NothingToDo, match=r"empty\.txt holds no prompt"):
        read_prompts((), tmp_path / "empty.txt")
    with pytest.raises(SourceError, match="cannot be read"):
        read_prompts((), tmp_path / "missing.txt")


def test_the_first_caption_of_each_photo_of_a_run_is_a_prompt(tmp_path):
    run = make_run(tmp_path / "run")
    found = read_prompts((), captions=tmp_path / "run")
    rows = [(row.photo_id, captioned.captions) for row, captioned in run.rows()]
    assert [(one.source, one.text) for one in found] == [(name, texts[0].text) for name, texts in rows if texts]
    assert len(read_prompts((), captions=tmp_path / "run", limit=2)) == 2


def test_captions_of_an_imagefolder_are_prompts(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": ["One.", "Two."]}\n')
    assert read_prompts((), captions=tmp_path) == [Prompt("One.", "a.png")]
