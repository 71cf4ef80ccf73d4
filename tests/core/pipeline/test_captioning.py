"""What becomes of what a fuser writes: kept, asked for again, or left to the fallback; always by the photo alone.

The fusers here are real ones, each with one habit. A fuser is told nothing of tries, but may find its seed among those
that a photo's tries have.
"""

import dataclasses

import pytest
from support.habits import OPENINGS, captions_of, photo_id, right, rows_of, set_up, turn_of, wrong_until

from text2face_core import Recipe
from text2face_core.errors import FuserError, PluginError, RecipeError
from text2face_core.records import AnalysisRow

# ---- asking again ------------------------------------------------------------------------------------------------


def test_a_right_caption_is_kept_at_once():
    captioning, fuser = set_up(lambda request: [right(request)])
    captions = captions_of(captioning, rows_of(2))
    assert len(captions) == 8
    assert {(one.fuser, one.tries, one.refusals, one.missed) for one in captions} == {("habit", 1, (), ())}
    assert len(fuser.asked) == 8


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_a_fuser_that_is_wrong_for_a_while_is_asked_until_it_is_right(wrong):
    captioning, _ = set_up(wrong_until(wrong, leave_out=("gender",)))
    captions = captions_of(captioning, rows_of(2))
    assert {(one.fuser, one.tries, one.missed) for one in captions} == {("habit", wrong + 1, ())}
    assert {one.refusals for one in captions} == {("missed gender",) * wrong}


@pytest.mark.parametrize(("name_missed", "told"), [("true", ("age",)), ("false", ())])
def test_asking_again_names_what_was_missed_if_wanted(name_missed, told):
    captioning, fuser = set_up(wrong_until(1, leave_out=("age",)), f"captions.name_missed={name_missed}")
    captioning(rows_of(1))
    assert {(turn_of(request), request.missed) for request in fuser.asked} == {(0, ()), (1, told)}


def test_what_any_try_missed_is_named_from_then_on():
    def write(request):
        how = [("age",), (), ("gender",), ()][turn_of(request)]
        return ["Sure! No." if turn_of(request) == 1 else right(request, leave_out=how).replace("is .", "is here.")]

    captioning, fuser = set_up(write)
    captioning(rows_of(2))
    told = {(turn_of(request), frozenset(request.missed)) for request in fuser.asked}
    assert told == {
        (0, frozenset()),
        (1, frozenset({"age"})),
        (2, frozenset({"age"})),
        (3, frozenset({"age", "gender"})),
    }


def test_each_try_has_a_seed_of_its_own():
    captioning, fuser = set_up(wrong_until(3, leave_out=("age",)))
    captioning(rows_of(3))
    assert len({request.seed for request in fuser.asked}) == len(fuser.asked) == 3 * 4 * 4


def test_one_that_never_gets_it_right_is_replaced_by_the_phrasebook():
    captioning, fuser = set_up(lambda request: [right(request) + " Note the mustache."], "captions.retries=2")
    captions = captions_of(captioning, rows_of(2))
    assert len(captions) == 8
    assert len(fuser.asked) == 8 * 3
    for caption in captions:
        assert (caption.fuser, caption.tries, len(caption.refusals)) == ("phrasebook", 4, 3)
        assert (caption.missed, caption.invented) == ((), ())
        assert all("invented mustache" in reason for reason in caption.refusals)


def test_without_a_fallback_the_try_with_the_fewest_faults_stays_the_earliest_of_equals():
    def write(request):
        said = [("age", "gender"), ("age",), ("gender",), ("age",)][turn_of(request)]
        return [right(request, leave_out=said).replace("is .", "is here.")]

    captioning, _ = set_up(write, 'captions.fallback=""')
    for caption in captions_of(captioning, rows_of(2)):
        assert (caption.fuser, caption.missed, caption.tries) == ("habit", ("age",), 4)
        assert caption.refusals[1:] == ("missed age", "missed gender", "missed age")


def test_photos_that_get_no_caption_at_all_are_warned_of_once_with_the_reason(caplog):
    captioning, _ = set_up(
        lambda request: [right(request) if request.photo_id == photo_id(0) else "Sure! Here it is."],
        'captions.fallback=""',
    )
    for _ in range(2):
        captioning(rows_of(3))
    (record,) = [one for one in caplog.records if "no caption" in one.getMessage()]
    for fact in ("/photos/1.jpg", "talk about the task", "captions.fallback"):
        assert fact in record.getMessage()


def test_without_a_fallback_a_text_of_the_wrong_shape_does_not_stay():
    captioning, _ = set_up(lambda request: ["Sure! " + right(request)], 'captions.fallback=""')
    assert captions_of(captioning, rows_of(2)) == []


def test_without_retries_a_fuser_is_asked_once():
    captioning, fuser = set_up(lambda request: ["no"], "captions.retries=0")
    assert {one.fuser for one in captions_of(captioning, rows_of(1))} == {"phrasebook"}
    assert len(fuser.asked) == 4


def test_unchecked_captions_stay_with_a_record_of_what_they_miss():
    captioning, _ = set_up(wrong_until(9, leave_out=("gender",)), "captions.check=false")
    captions = captions_of(captioning, rows_of(2))
    assert {(one.fuser, one.tries, one.missed, one.refusals) for one in captions} == {("habit", 1, ("gender",), ())}


def test_a_fuser_that_sees_the_photo_may_say_more_but_not_less():
    def write(request):
        more = right(request).replace(" is ", " has a mustache and is ")
        return [more if turn_of(request) else more.replace("a person", "them")] if request.number else ["A mustache."]

    captioning, _ = set_up(write, "captions.check=missed")
    captions = captions_of(captioning, rows_of(1))
    assert [(one.fuser, one.invented) for one in captions[1:]] == [("habit", ("mustache",))] * 3
    assert captions[0].refusals[0].startswith("missed ")
    assert "invented" not in captions[0].refusals[0]


def test_of_several_candidates_the_first_good_one_is_kept():
    def write(request):
        texts = [right(request, leave_out=("age",)), right(request), right(request).replace("who", "that")]
        return texts[: request.count]

    captioning, fuser = set_up(write, "captions.candidates=3")
    captions = captions_of(captioning, rows_of(2))
    assert {request.count for request in fuser.asked} == {3}
    assert {one.tries for one in captions} == {1}
    assert all("who is" in one.text for one in captions)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("- a person\n- 20 years old", "a list"),
        ("Sure! Here is a caption.", "talk about the task"),
        ("Une femme de vingt ans avec les cheveux bruns", "not English"),
        ("Say every one of them, each once and in plain words.", "echo of the prompt"),
    ],
)
def test_a_text_of_the_wrong_shape_is_refused_with_its_reason(text, reason):
    def write(request):
        return [text if turn_of(request) == 0 else right(request)]

    def prompt(options, request):
        words = ", ".join(item.phrase for item in request.bag.items)
        return f"Describe a person: {words}\nSay every one of them, each once and in plain words."

    captioning, _ = set_up(write, prompt=prompt)
    captions = captions_of(captioning, rows_of(1))
    assert {(one.fuser, one.tries, one.refusals) for one in captions} == {("habit", 2, (reason,))}


def test_saying_the_bag_in_the_words_of_the_prompt_is_no_echo():
    def words(request):
        return ", ".join(item.phrase for item in request.bag.items)

    captioning, _ = set_up(
        lambda request: [f"{OPENINGS[request.number]} someone who is {words(request)} in all."],
        prompt=lambda options, request: f"Someone who is {words(request)} in all.",
    )
    assert {one.tries for one in captions_of(captioning, rows_of(2))} == {1}


def test_quotation_marks_around_a_caption_are_taken_off():
    captioning, _ = set_up(lambda request: [f' "{right(request)}"\n'])
    assert all(one.text.startswith(OPENINGS) and one.tries == 1 for one in captions_of(captioning, rows_of(1)))


# ---- captions of one photo -----------------------------------------------------------------------------------------


def test_captions_of_a_photo_differ():
    captioning, _ = set_up(lambda request: [right(dataclasses.replace(request, number=0))])
    for row in captioning([dataclasses.replace(row, findings=row.findings[1:]) for row in rows_of(6)]):
        texts = [caption.text for caption in row.captions]
        assert len(texts) == len(set(texts)) == 4
        assert row.captions[0].fuser == "habit"
        assert any("duplicate" in caption.refusals for caption in row.captions)


def test_a_photo_of_which_nothing_is_known_has_one_caption():
    captioning, _ = set_up(lambda request: ["A photo of a person."])
    bare = AnalysisRow(photo_id(1), "a.jpg", 0, "ok")
    assert [caption.text for caption in captions_of(captioning, [bare])] == ["A photo of a person."]


def test_photos_that_were_not_accepted_have_none():
    captioning, fuser = set_up(lambda request: [right(request)])
    rows = [
        AnalysisRow(photo_id(1), "a.jpg", 0, "rejected", "2 faces"),
        AnalysisRow(photo_id(2), "b", 0, "failed", "x"),
    ]
    assert [row.captions for row in captioning(rows)] == [(), ()]
    assert fuser.asked == []


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_a_fuser_that_raises_for_one_photo_costs_no_other_photo_anything():
    def write(request):
        if request.photo_id == photo_id(3):
            raise ValueError("this one breaks me " + "x" * 1000)
        return [right(request)]

    captioning, _ = set_up(write, "captions.retries=1")
    found = {row.photo_id: row.captions for row in captioning(rows_of(7))}
    assert {len(captions) for captions in found.values()} == {4}
    for key, captions in found.items():
        assert {one.fuser for one in captions} == {"phrasebook" if key == photo_id(3) else "habit"}
    (reasons,) = {one.refusals for one in found[photo_id(3)]}
    assert len(reasons) == 2
    assert reasons[0].startswith("habit: ValueError: this one breaks me")
    assert len(reasons[0]) <= 200


@pytest.mark.parametrize("answer", [[], [""], ["", " "]])
def test_no_answer_is_a_refused_try(answer):
    captioning, _ = set_up(lambda request: [right(request)] if turn_of(request) else answer, "captions.candidates=2")
    captions = captions_of(captioning, rows_of(2))
    assert {(one.fuser, one.tries) for one in captions} == {("habit", 2)}


def test_a_fuser_that_can_answer_nobody_stops_the_run():
    def write(request):
        raise FuserError("the server at http://localhost:1 does not answer")

    captioning, _ = set_up(write)
    with pytest.raises(FuserError, match="does not answer"):
        captioning(rows_of(1))


def test_a_fuser_that_fails_on_every_one_of_many_photos_stops_the_run():
    def write(request):
        raise TypeError("a bug")

    captioning, _ = set_up(write)
    assert {one.fuser for one in captions_of(captioning, rows_of(2))} == {"phrasebook"}
    with pytest.raises(FuserError, match=r"any of 20 photos.*habit: TypeError: a bug"):
        captioning(rows_of(20))


def test_an_unknown_fallback_is_named():
    with pytest.raises(PluginError, match=r'no fuser is called "phrasebok"\. Did you mean "phrasebook"'):
        set_up(lambda request: [], "captions.fallback=phrasebok")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("captions.retries=-1", "captions.retries"),
        ("captions.candidates=0", "captions.candidates"),
        ("captions.max_tokens=5", "8 tokens"),
        ("captions.styles={short=0.0}", "shares must not be negative"),
        ("captions.styles={short=nan}", "shares must not be negative"),
        ("captions.retry=1", "captions.retry"),
    ],
)
def test_a_wrong_setting_is_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.load("starter").with_settings([setting])


# ---- the same, whatever the batch ------------------------------------------------------------------------------------


def moody(request):
    """Right, wrong in many ways, or raising, by the request's seed."""
    mood = request.seed % 8
    if mood == 0:
        raise ValueError("a bad mood")
    how = {1: ("age",), 2: ("gender",), 3: ("age", "gender")}.get(mood, ())
    text = right(dataclasses.replace(request, number=request.seed // 8 % 3), leave_out=how).replace("is .", "is here.")
    return ["Sure! " + text if mood == 4 else text] * request.count


def test_captions_are_the_same_for_any_batch_and_order():
    rows = rows_of(40)
    whole = set_up(moody)[0](rows)
    assert {one.fuser for row in whole for one in row.captions} == {"habit", "phrasebook"}
    assert max(one.tries for row in whole for one in row.captions) > 3
    for size in (1, 7, 64):
        captioning, _ = set_up(moody)
        assert [row for at in range(0, len(rows), size) for row in captioning(rows[at : at + size])] == whole
    assert set_up(moody)[0](rows[::-1])[::-1] == whole


@pytest.mark.parametrize("setting", ["seed=1", "captions.retries=0", "captions.per_photo=3"])
def test_other_settings_give_other_captions(setting):
    rows = rows_of(20)
    assert set_up(lambda request: [right(request)])[0](rows) != set_up(moody, setting)[0](rows)


# ---- refused again and again ---------------------------------------------------------------------------------------


def test_a_fuser_with_a_trigger_word_is_warned_about_early_by_that_word(caplog):
    captioning, _ = set_up(lambda request: [right(request).replace("a person", "an ohwx person")])
    captioning(rows_of(3))
    (record,) = [one for one in caplog.records if "refused" in one.getMessage()]
    for fact in ("habit", "12 of 12", '"ohwx" (12)', "captions.allow", "invented other (12)"):
        assert fact in record.getMessage()
    captioning(rows_of(3))
    assert len([one for one in caplog.records if "refused" in one.getMessage()]) == 1


def test_an_allowed_trigger_word_is_kept_and_nothing_is_warned_of(caplog):
    captioning, _ = set_up(
        lambda request: [right(request).replace("a person", "an ohwx person")], 'captions.allow=["ohwx"]'
    )
    captions = captions_of(captioning, rows_of(3))
    assert {(one.fuser, one.tries, one.invented) for one in captions} == {("habit", 1, ())}
    assert all("ohwx" in one.text for one in captions)
    assert not caplog.records


def test_a_fuser_that_is_refused_now_and_then_is_not_warned_about(caplog):
    captioning, _ = set_up(wrong_until(1, leave_out=("age",)))
    captioning(rows_of(1))
    assert not caplog.records


def test_a_sentence_in_another_language_is_refused():
    captioning, _ = set_up(lambda request: [right(request) + " Ella lleva barba."])
    captions = captions_of(captioning, rows_of(1))
    assert {one.fuser for one in captions} == {"phrasebook"}
    assert {reason for one in captions for reason in one.refusals} == {"not English"}
