"""People's votes: the ballot is blind and balanced, and what raters download becomes figures."""

import json
import random
import sys

import numpy as np
import pytest
from support import toy_generator, toys
from support.evaluations import evaluated, image, person, planned

from text2face_core import Plugins, Recipe, evaluate
from text2face_core.cli import main
from text2face_core.errors import NothingToDo, SourceError, UsageError
from text2face_core.evaluation import Vote, attentive, draw_questions, measure_votes
from text2face_core.evaluation.votes import bradley_terry, cohen_kappa, krippendorff_alpha
from text2face_core.library import read_votes, write_ballot


def test_krippendorff_s_own_example():
    # Content Analysis (2004), 11.3.1, four observers and twelve units; missing values are left out: alpha is 0.743
    rows = [
        [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4],
        [1, 1, 2, 1], [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1], [None, None, 3, None],
    ]  # fmt: skip
    units = [[value for value in row if value is not None] for row in rows]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_agreement_of_coins_is_about_zero():
    rng = random.Random(0)
    assert abs(krippendorff_alpha([[rng.choice("ab") for _ in range(3)] for _ in range(2000)])) < 0.05
    assert np.isnan(krippendorff_alpha([["a"], ["b"]]))


def test_strengths_are_found_again():
    rng, true = np.random.default_rng(1), np.array([1.0, 0.2, -1.2])
    wins = np.zeros((3, 3))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        won = rng.binomial(4000, 1 / (1 + np.exp(true[b] - true[a])))
        wins[a, b], wins[b, a] = won, 4000 - won
    assert bradley_terry(wins) == pytest.approx(true, abs=0.06)


def test_cohen_s_kappa():
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)


# --- figures ---


def cast(rater, number, choice, *, aspect="text", repeat=False, models=("base", "lora")):
    return Vote(rater, f"p{number}", aspect, choice, models, f"{number}", ("x", "y"), repeat)


def the(measures, name, model=""):
    (found,) = [one for one in measures if (one.name, one.model) == (name, model)]
    return found


def test_shares_leave_ties_out_and_intervals_hold_raters_and_prompts():
    votes = [cast(f"r{r}", n, "lora" if n % 4 else "base") for r in range(3) for n in range(40)]
    votes += [cast("r0", 100 + n, "equal") for n in range(7)] + [cast("r1", 110, "both bad")]
    found = the(measure_votes(votes), "preferred: text", "lora - base")
    assert found.value == pytest.approx(0.75)
    assert found.n == 120
    assert "equal 7, both bad 1" in found.note
    assert found.low < 0.67  # of 120 independent votes it would be 0.666
    assert the(measure_votes(votes), "preferred: text", "base - lora").value == pytest.approx(0.25)
    assert the(measure_votes(votes), "agreement of raters: text").value == pytest.approx(1)


def test_repeated_questions_count_for_consistency_only():
    votes = [cast("r", n, "lora") for n in range(20)] + [cast("r", n, "base", repeat=True) for n in range(5)]
    measures = measure_votes(votes)
    assert the(measures, "preferred: text", "lora - base").n == 20
    assert the(measures, "self-consistency of raters").value == 0


def test_three_models_get_strengths():
    rng = random.Random(2)
    votes = [
        cast("r", n, better if rng.random() < 0.8 else worse, models=(worse, better))
        for n in range(150)
        for worse, better in [[("a", "b"), ("b", "c"), ("a", "c")][n % 3]]
    ]
    strengths = [the(measure_votes(votes), "strength: text", model).value for model in "abc"]
    assert strengths == sorted(strengths)
    assert sum(strengths) == pytest.approx(0, abs=1e-6)


def test_inattentive_raters_are_left_out():
    votes = [cast("good", n, "lora") for n in range(3)] + [cast("bad", n, "base") for n in range(3)]
    votes += [cast("good", 0, "passed", aspect="attention"), cast("bad", 0, "failed", aspect="attention")]
    kept, out = attentive(votes)
    assert out == ["bad"]
    assert {one.rater for one in kept} == {"good"}
    assert all(one.aspect == "text" for one in kept)


# --- ballot ---


def test_questions_compare_every_two_models_alike_and_never_photos(tmp_path):
    rng = random.Random(0)
    people = [person(rng) for _ in range(30)]
    plan = planned(people)
    sets = [[image(p, m, one) for p, one in zip(plan, people, strict=True)] for m in ("a", "b", "c", "photos")]
    images = [type(one)(**{**_fields(one), "path": "x.png"}) for found in sets for one in found]
    prompts = {one.prompt_id: one for one in plan}
    models = ("a", "b", "c", "photos")
    questions = draw_questions(images, prompts, models, pairs=12, statements=10)
    pairs = [one for one in questions if one.kind == "pair"]
    compared = [tuple(sorted(name.partition("/")[0] for name in one.image_ids)) for one in pairs]
    assert sorted(compared) == sorted([("a", "b"), ("a", "c"), ("b", "c")] * 4)
    assert {name.partition("/")[0] for one in pairs for name in one.image_ids[:1]} > {"a"}  # sides are drawn
    assert all(name.split("/")[1] == f"{one.prompt_id}-0" for one in pairs for name in one.image_ids)
    assert len([one for one in questions if one.kind == "statement"]) == 10
    assert questions == draw_questions(images, prompts, models, pairs=12, statements=10)
    assert evaluated(plan, sets[0]).models == ("a",)


def _fields(one):
    return {name: getattr(one, name) for name in one.__slots__}


@pytest.fixture
def evaluation(tmp_path):
    """Two toy models on six prompts."""
    plugins = Plugins.load(builtin_only=True)
    plugins.register("toy", sys.modules[toys.__name__])
    plugins.register("plates", sys.modules[toy_generator.__name__])
    (tmp_path / "prompts.txt").write_text("A woman <script>alert(1)</script>.\nA man.\nA 40-year-old woman.\n")
    evaluate(
        ["none", "loras/mine"], out=tmp_path / "secret", plan=str(tmp_path / "prompts.txt"), per_prompt=2,
        recipe=Recipe(detector="toy", extractors=("toy.shade",), fuser="toy.echo"), available=plugins,
        plugins="plates", device="cpu", dtype="float32", steps=2,
    )  # fmt: skip
    return tmp_path / "secret"


def answers(evaluation, rater, prefer, **changes):
    key = json.loads((evaluation / "vote-key.json").read_text())
    found = []
    for one in key["questions"]:
        if one["kind"] == "pair":
            for swapped in (False, True):
                side = (one["models"].index(prefer) == 1) != swapped
                aspect, choice = "text" if swapped else "real", "right" if side else "left"
                answer = {"question": one["question_id"], "aspect": aspect, "swapped": swapped, "choice": choice}
                found.append({**answer, "repeat": False, "ms": 900})
    path = evaluation / f"{rater}.json"
    path.write_text(json.dumps({"ballot": key["ballot"], "rater": rater, "answers": found} | changes))
    return path


def test_a_page_is_written_and_votes_are_read(evaluation, capsys):
    assert main(["evaluate", "vote", str(evaluation), "--pairs", "5"]) == 0
    page = (evaluation / "vote.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == str(evaluation / "vote.html")
    assert "<script>alert" not in page
    assert "base" not in json.dumps(json.loads(page.partition('id="data">')[2].partition("</script>")[0])["questions"])
    assert "mine" not in page.replace("determines", "")
    files = [str(answers(evaluation, f"r{n}", "mine")) for n in range(3)]
    assert main(["evaluate", "votes", str(evaluation), *files]) == 0
    content = json.loads((evaluation / "votes.json").read_text())
    assert "text: mine is preferred to base in 100.0%" in content["headline"]
    assert content["votes"] == 30
    assert (evaluation / "votes.parquet").is_file()


def test_votes_that_do_not_belong_are_refused(evaluation, tmp_path):
    write_ballot(evaluation, pairs=3)
    other = answers(evaluation, "r", "mine", ballot="0" * 16)
    with pytest.raises(SourceError, match="another page"):
        read_votes(evaluation, [other])
    (tmp_path / "not.json").write_text("[]")
    with pytest.raises(SourceError, match=r"not\.json"):
        read_votes(evaluation, [tmp_path / "not.json"])
    with pytest.raises(NothingToDo):
        read_votes(evaluation, [answers(evaluation, "r", "mine", answers=[])])
    with pytest.raises(UsageError, match=r"nobody.*base, mine"):
        write_ballot(evaluation, models=["nobody"])
