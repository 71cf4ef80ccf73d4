"""Extractors on labelled photos: labels are read as people have them, errors are counted by group, shares corrected."""

import json
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import toys
from support.evaluations import GRADER, VOCABULARY, evaluated, image, person, planned

from text2face_core import Plugins, Recipe, caption_photos, evaluate
from text2face_core.cli import main
from text2face_core.errors import NothingToDo, SourceError, UsageError
from text2face_core.evaluation import (
    CountedError,
    GraderError,
    LabelledPhoto,
    Truth,
    measure_audit,
    measure_corrected,
    read_truth,
)
from text2face_core.library import audit
from text2face_core.records import Finding

AS_ALL = {"gender": "female", "eyeglasses": "true", "ethnicity": "asian"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"x/a.jpg": {"age": 31, "gender": "female", "eyeglasses": true, "race": "East Asian", "id": 7}}'),
        ("a.jsonl", '{"file_name": "a.jpg", "age": "31", "sex": "F", "Eyeglasses": 1, "ethnicity": "asian"}\n'),
        ("a.csv", "file,age,Male,Eyeglasses,race\na.jpg,31,-1,1,Asian\n"),
        ("a.tsv", "image_id\tage\tgender\teyeglasses\tethnicity\na.jpg\t31\twoman\tyes\tsoutheast asian\n"),
    ],
)
def test_labels_are_read_as_people_have_them(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (found,) = read_truth(tmp_path / name, VOCABULARY).items()
    assert found[0] == "a.jpg"
    assert (found[1].age, found[1].values) == (31, AS_ALL)


@pytest.mark.parametrize("text", ["[1]", "{", '{"a.jpg": {"shoe_size": 40}}', "{}"])
def test_a_file_without_labels_is_an_error(tmp_path, text):
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(SourceError, match=r"truth\.json"):
        read_truth(tmp_path / "truth.json", VOCABULARY)


def labelled(number, truth, age, seen):
    findings = tuple(Finding(name, value, 0.9, "eye") for name, value in seen.items())
    return LabelledPhoto(f"{number}.jpg", Truth(truth, age), findings)


def the(measures, name, finding, group=""):
    (found,) = [one for one in measures if (one.name, one.finding, one.group) == (name, finding, group)]
    return found


def test_errors_are_counted_by_group_and_silence_is_not_seeing():
    photos = [
        labelled(n, {"gender": "female", "eyeglasses": "true"}, 70.0, {"gender": "male", "age": 60.0})
        for n in range(10)
    ]
    photos += [labelled(n, {"gender": "female", "eyeglasses": "false"}, 30.0, {"gender": "female"}) for n in range(30)]
    photos += [
        labelled(n, {"gender": "male", "eyeglasses": "true"}, 30.0, {"gender": "male", "eyeglasses": True})
        for n in range(20)
    ]
    measures, errors = measure_audit(photos, [GRADER], VOCABULARY)
    assert the(measures, "right if reported", "gender").value == pytest.approx(50 / 60)
    assert the(measures, "right if reported", "gender", "60 and over").value == 0
    assert the(measures, "reported", "eyeglasses").value == pytest.approx(20 / 60)
    assert the(measures, "sensitivity", "eyeglasses=yes").value == pytest.approx(20 / 30)
    assert the(measures, "specificity", "eyeglasses=yes").value == 1
    assert the(measures, "age error", "age").value == -10
    assert the(measures, "age error", "age").n == 10
    found = {(one.finding, one.value, one.group): one.error for one in errors}
    assert found["eyeglasses", "yes", ""] == GraderError(20, 30, 30, 30)
    assert found["gender", "female", "60 and over"] == GraderError(0, 10, 0, 0)
    assert ("gender", "female", "female") not in found  # that is its sensitivity


def test_a_share_is_corrected_for_known_errors_and_refused_without_information():
    rng = random.Random(5)
    people = [person(rng) | {"eyeglasses": True} for _ in range(400)]
    plan = planned(people)
    truly = [rng.random() < 0.7 for _ in people]  # the model draws 70 % of the glasses
    seen = [(rng.random() < 0.9) if true else (rng.random() < 0.2) for true in truly]
    images = [image(p, "m", one | {"eyeglasses": s}) for p, one, s in zip(plan, people, seen, strict=True)]
    errors = [CountedError("eye", "eyeglasses", "yes", "", "", GraderError(900, 1000, 800, 1000))]
    errors.append(CountedError("eye", "gender", "female", "", "", GraderError(50, 100, 55, 100)))
    errors.append(CountedError("eye", "gender", "male", "", "", GraderError(9, 10, 100, 100)))
    found = measure_corrected(evaluated(plan, images), errors)
    glasses = the(found, "drawn, corrected", "eyeglasses=yes")
    assert glasses.low < sum(truly) / 400 < glasses.high
    assert abs(glasses.value - 0.7) < abs(sum(seen) / 400 - 0.7) + 0.05
    weak = the(found, "drawn, corrected", "gender=female")
    assert weak.value != weak.value
    assert "too weak" in weak.note
    assert "20 needed" in the(found, "drawn, corrected", "gender=male").note


# --- commands ---


@pytest.fixture
def plugins():
    found = Plugins.load(builtin_only=True)
    found.register("toy", sys.modules[toys.__name__])
    return found


RECIPE = Recipe(detector="toy", extractors=("toy.shade",), fuser="phrasebook")


@pytest.fixture
def photos(tmp_path):
    truth = {}
    for age in range(20, 60):
        toys.draw_photo(tmp_path / "photos" / f"{age}.png", ((60, 40, 80),), age)
        truth[f"{age}.png"] = {"age": age - 2, "gender": "female" if age < 50 else "male"}
    truth["missing.png"] = {"age": 3}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return tmp_path / "photos"


def test_extractors_are_audited_on_a_folder(photos, tmp_path, plugins):
    result = audit(photos, tmp_path / "truth.json", out=tmp_path / "audit", recipe=RECIPE, available=plugins)
    assert the(result.measures, "age error", "age").value == pytest.approx(2)
    assert the(result.measures, "age error", "age", "40 to 59").n == 18
    assert result.headline.startswith("40 of 41 labelled photos")
    assert json.loads((tmp_path / "audit" / "errors.json").read_text())


def test_a_run_is_audited_by_what_it_found(photos, tmp_path, plugins):
    caption_photos(photos, RECIPE, out=tmp_path / "run", available=plugins)
    result = audit(tmp_path / "run", tmp_path / "truth.json", out=tmp_path / "audit", recipe=RECIPE, available=plugins)
    assert {one.model for one in result.measures} == {"toy.shade"}
    assert the(result.measures, "age error", "age").value == pytest.approx(2)
    assert not (tmp_path / "audit" / "graded").exists()


def test_the_labels_that_a_source_knew_need_no_file(photos, tmp_path, plugins):
    pictures = sorted(photos.glob("*.png"))
    years = [int(path.stem) + 3 for path in pictures]
    table = pa.table({"image": [path.read_bytes() for path in pictures], "years": years, "sex": ["female"] * 40})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    labels = {"labels": {"years": "age", "sex": "gender"}}
    recipe = RECIPE.model_copy(update={"plugins": {"parquet": labels}})
    caption_photos(f"parquet:{tmp_path}/a.parquet", recipe, out=tmp_path / "run", available=plugins)
    result = audit(tmp_path / "run", out=tmp_path / "audit", recipe=RECIPE, available=plugins)
    assert the(result.measures, "age error", "age").value == pytest.approx(-3)
    assert the(result.measures, "age error", "age").n == 40
    caption_photos(photos, RECIPE, out=tmp_path / "plain", available=plugins)
    with pytest.raises(UsageError, match="--truth"):
        audit(tmp_path / "plain", out=tmp_path / "audit2", recipe=RECIPE, available=plugins)


def test_an_evaluation_uses_what_an_audit_counted(photos, tmp_path, plugins):
    audit(photos, tmp_path / "truth.json", out=tmp_path / "audit", recipe=RECIPE, available=plugins)
    lines = [json.dumps({"file_name": f"{age}.png", "text": "A woman."}) for age in range(20, 60)]
    (photos / "metadata.jsonl").write_text("\n".join(lines))
    how = {"images": photos, "recipe": RECIPE, "available": plugins}
    result = evaluate(out=tmp_path / "out", errors=tmp_path / "audit", **how)
    corrected = the(result.measures, "drawn, corrected", "gender=female")
    assert corrected.n == 40
    with pytest.raises(SourceError, match=r"--truth"):
        evaluate(out=tmp_path / "out2", errors=tmp_path / "photos", **how)


def test_photos_without_labels_and_options_that_do_not_go_together(photos, tmp_path, plugins):
    (tmp_path / "others.json").write_text('{"z.png": {"age": 3}}')
    with pytest.raises(NothingToDo, match="1 labelled"):
        audit(photos, tmp_path / "others.json", out=tmp_path / "audit", recipe=RECIPE, available=plugins)
    out = ["--out", str(tmp_path / "x")]
    assert main(["evaluate", "--photos", str(photos), *out]) == 2
    both = ["--photos", str(photos), "--truth", str(tmp_path / "truth.json")]
    assert main(["evaluate", "none", *both, *out]) == 2
    with pytest.raises(UsageError, match="metric"):
        evaluate("none", out=tmp_path / "y", metrics="yunet", available=plugins)
