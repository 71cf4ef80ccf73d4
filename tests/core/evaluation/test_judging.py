"""Who judges what: a grader has no say in statements whose value it cannot tell."""

import pytest
from support.evaluations import VOCABULARY

from text2face_core import Plugins
from text2face_core.evaluation.judging import can_judge
from text2face_core.evaluation.records import Grader
from text2face_core.language.fidelity import find_mentions

PARTIAL = Grader("eye", ("age", "emotion"), "other", decides={"emotion": ("happiness", "anger")})


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        ("A man who looks happy.", True),
        ("A man who looks angry.", True),
        ("A man with a neutral expression.", False),
        ("A man who looks sad.", False),
        ("A 30-year-old.", True),
        ("A man with glasses.", False),  # not observed at all
    ],
)
def test_a_grader_judges_only_values_that_it_can_tell(text, judged):
    mentions = [one for one in find_mentions(text, VOCABULARY) if one.name != "gender"]
    assert [can_judge(PARTIAL, one) for one in mentions] == [judged]


def test_a_statement_that_several_findings_decide_needs_one_of_them():
    (smiling,) = (one for one in find_mentions("A smiling man.", VOCABULARY) if one.name == "smiling")
    assert can_judge(PARTIAL, smiling)  # smiling, or looking happy
    assert not can_judge(Grader("eye", ("emotion",), decides={"emotion": ("anger",)}), smiling)


UNPUBLISHED = {"agegender"}
"""Networks whose makers do not say what they were trained on."""
RULES = {"photo"}
"""Without a network."""


def test_every_network_that_looks_at_faces_declares_its_training_photos():
    offered = [one for one in Plugins.load(builtin_only=True).components() if one.kind in {"detector", "extractor"}]
    silent = {one.name for one in offered if not one.component.lineage}
    assert silent == UNPUBLISHED | RULES | {"none"}
