"""`t2f settings`, and what is said of a setting that is misspelt."""

import json

import pytest

from text2face_core import Plugins, Recipe
from text2face_core.cli import main
from text2face_core.errors import RecipeError
from text2face_core.sections import SECTIONS


def listed(capsys, *arguments):
    assert main(["settings", *arguments, "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_setting_is_listed_with_default_and_meaning(capsys):
    rows = listed(capsys)
    for section in SECTIONS:
        for name in Recipe.model_fields[section].annotation.model_fields:
            assert any(row == f"{section}.{name}" or row.startswith(f"{section}.{name}.") for row in rows)
    assert rows["captions.per_photo"]["default"] == 4
    assert rows["captions.per_photo"]["constraints"] == ["≥ 1", "≤ 64"]
    assert [name for name, row in rows.items() if not row["description"]] == []


def test_every_setting_that_is_listed_can_be_set_to_its_default(capsys):
    starter = Recipe.load("starter")
    for name, row in listed(capsys).items():
        if isinstance(row["default"], bool | int | float):
            starter.with_settings([f"{name}={json.dumps(row['default'])}"])


def test_the_list_can_be_of_one_section_or_one_setting(capsys):
    assert {name.partition(".")[0] for name in listed(capsys, "bag")} == {"bag"}
    assert list(listed(capsys, "faces.min_size")) == ["faces.min_size"]
    assert main(["settings", "caption"]) == 2
    assert 'Did you mean "captions"' in capsys.readouterr().err


def test_the_list_for_people_holds_the_same(capsys):
    names = list(listed(capsys))
    assert main(["settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " = " in line and line.startswith("  ") and line[2] != " "] == names


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("captions.per_foto=2", "per_photo"),
        ("bag.leaveout=[]", "leave_out"),
        ("dataset.qualty=90", "quality"),
        ("yunet.scroe=0.5", "score"),
        ("caption.per_photo=2", "captions"),
        ("yunnet.score=0.5", "yunet"),
    ],
)
def test_a_misspelt_setting_names_the_right_one(setting, meant):
    with pytest.raises(RecipeError, match=f'Did you mean "{meant}"'):
        Recipe.load("starter").with_settings([setting]).resolve(Plugins.load(builtin_only=True))


def test_a_setting_like_none_names_no_other():
    with pytest.raises(RecipeError, match="t2f settings") as error:
        Recipe.load("starter").with_settings(["captions.xyzzy=2"])
    assert "Did you mean" not in str(error.value)
