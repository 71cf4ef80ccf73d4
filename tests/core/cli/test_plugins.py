"""`t2f plugins list` and `show`: everything one needs to know to use a plugin."""

import enum
import hashlib
import json
import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field
from support.distributions import add_distribution

from text2face_core import Artifact, Component, Options, Plugins, Url
from text2face_core.cli import main
from text2face_core.cli.options import describe_options, plain_type
from text2face_core.utils import fingerprint

PLUGIN = """
from typing import Annotated, Literal
from pydantic import Field
from text2face_core import Artifact, Component, HubFile, Options, WheelMember, hookimpl

class Choices(Options):
    score: float = Field(0.6, ge=0, lt=1, description="faces below are left out")
    mode: Literal["fast", "exact"] = Field("fast", description="how carefully")
    names: tuple[str, ...] = Field((), max_length=3)
    key: str = Field(description="your licence key")

WHEEL, HUB = WheelMember("a-wheel", "1.0", "a/shared.bin"), HubFile("them/model", "others.onnx")
SHARED = Artifact("shared.bin", (WHEEL,), "MIT", sha256="{sha}", size=5)
OTHERS = Artifact("others.onnx", (HUB,), "CC-BY-NC-4.0", non_commercial=True, note="slow")

@hookimpl
def t2f_extractors():
    yield Component("zoo.eyes", print, Choices, (SHARED, OTHERS), "eyes", ("eyes", "lids"), summary="eyes")

@hookimpl
def t2f_fusers():
    yield Component("zoo.writer", print, summary="writes")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a plugin look installed: a distribution's metadata and its module on the path."""

    def install(distribution, version, name, code):
        module = f"{distribution.replace('-', '_')}_for_tests"
        add_distribution(tmp_path / "site", distribution, f"{name} = {module}", version)
        (tmp_path / "site" / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path / "site")

    yield install
    for module in [one for one in sys.modules if one.endswith("_for_tests")]:
        del sys.modules[module]


@pytest.fixture
def zoo(tmp_path, monkeypatch, install):
    """A plugin of two components, one of whose two model files is here."""
    install("t2f-zoo", "2.0", "zoo", PLUGIN.replace("{sha}", hashlib.sha256(b"bytes").hexdigest()))
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "shared.bin").write_bytes(b"bytes")


def listed(capsys, *options):
    assert main(["plugins", "list", "--json", *options]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def shown(capsys, name):
    assert main(["plugins", "show", name, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


SPY = "from pathlib import Path\nPath({mark!r}).touch()\n"


@pytest.mark.parametrize(
    ("command", "imported"),
    [
        (["plugins", "list"], False),
        (["plugins", "list", "--json"], False),
        (["plugins", "list", "--kind", "extractor"], False),
        (["models", "list"], False),
        (["models", "list", "--json"], False),
        (["doctor"], False),
        (["doctor", "--recipe", "with_it.toml"], False),
        (["doctor", "--json"], False),
        (["plugins", "show", "yunet"], False),
        (["plugins", "show", "yunett"], False),
        (["models", "path", "yunet"], False),
        (["run", "photos", "--plugins", "yunett"], False),
        (["train", "nothing"], False),
        (["plugins", "show", "spy"], True),
    ],
)
def test_a_plugin_from_outside_is_imported_by_a_command_that_names_it_only(
    install, tmp_path, monkeypatch, capsys, command, imported
):
    """As a plugin that is merely installed, also when a recipe that was allowed before names it."""
    mark = tmp_path / "imported"
    install("t2f-spy", "2.0", "spy", SPY.format(mark=str(mark)))
    monkeypatch.chdir(tmp_path)
    recipe = 'detector = "yunet"\nextractors = ["spy"]\nfuser = "phrasebook"\n[plugins.spy]\nfactor = 2\n'
    (tmp_path / "with_it.toml").write_text(recipe)
    allowed = {"for": "with_it.toml", "reaches": [["spy", "", "plugin", "spy of t2f-spy"]]}
    monkeypatch.setenv("T2F_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    key = fingerprint(allowed["reaches"])
    (tmp_path / "config" / "trusted.json").write_text(json.dumps({key: allowed}))
    main(command)
    shown = capsys.readouterr()
    assert mark.exists() is imported
    if command[0] == "doctor" or command[1] == "list":
        assert "spy" in shown.out + shown.err
        assert "has not been allowed" not in shown.out


def test_the_list_says_where_each_plugin_is_from(zoo, capsys):
    rows = listed(capsys)
    assert {"yunet", "photo", "agegender", "phrasebook", "zoo"} <= set(rows)
    assert rows["yunet"]["builtin"] is True
    assert rows["zoo"] == {
        "name": "zoo",
        "distribution": "t2f-zoo",
        "version": "2.0",
        "builtin": False,
        "status": "available",
        "imported": False,
        "error": "",
        "components": [],
    }
    (part,) = rows["yunet"]["components"]
    assert (part["name"], part["kind"], part["licences"]) == ("yunet", "detector", ["MIT"])


def test_the_list_can_be_of_one_kind(zoo, capsys):
    rows = listed(capsys, "--kind", "fuser")
    assert {"phrasebook", "zoo"} <= set(rows)
    assert "yunet" not in rows
    assert [part["name"] for part in rows["phrasebook"]["components"]] == ["phrasebook"]


def test_the_list_for_people_holds_the_same(zoo, capsys):
    assert main(["plugins", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith("zoo "))
    assert lines[start].split()[:3] == ["zoo", "t2f-zoo", "2.0"]
    assert "t2f plugins show zoo" in lines[start]


def test_show_tells_all_about_a_component(zoo, capsys, tmp_path):
    (part,) = shown(capsys, "zoo.eyes")["components"]
    assert part["provides"] == ["eyes", "lids"]
    assert part["install"] == "pip install 't2f-zoo[eyes]'"
    here, missing = part["artifacts"]
    assert (here["name"], here["present"], here["path"]) == (
        "shared.bin",
        True,
        str(tmp_path / "models" / "shared.bin"),
    )
    assert here["sources"] == ["the wheel a-wheel 1.0"]
    assert (missing["present"], missing["non_commercial"], missing["licence"]) == (False, True, "CC-BY-NC-4.0")


def test_show_gives_commands_that_can_be_run_as_they_stand(zoo, capsys):
    (part,) = shown(capsys, "zoo.eyes")["components"]
    assert part["select"] == [
        {"what": "use it alone", "command": "t2f run PHOTOS --plugins zoo.eyes"},
        {"what": "with others", "command": "t2f run PHOTOS --plugins people,starter,photo,zoo.eyes"},
    ]
    (part,) = shown(capsys, "zoo.writer")["components"]
    assert part["select"] == [{"what": "use it", "command": "t2f run PHOTOS --plugins zoo.writer"}]


def test_show_for_people_holds_the_same(zoo, capsys):
    assert main(["plugins", "show", "zoo"]) == 0
    text = capsys.readouterr().out
    for words in (
        "zoo  t2f-zoo 2.0, module t2f_zoo_for_tests",
        "extractor zoo.eyes: eyes",
        "eyes, lids",
        "--set zoo.eyes.OPTION=VALUE",
        "score = 0.6  number  (≥ 0, < 1)",
        'mode = "fast"  text  (one of fast, exact)',
        "key required  text",
        "shared.bin  5 bytes, licence MIT",
        "licence CC-BY-NC-4.0, not for commercial use",
        "not here yet: t2f models pull others.onnx",
        "fuser zoo.writer: writes",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("name", "message"),
    [("zooo", 'no plugin is called "zooo". Did you mean "zoo"?'), ("zoo.ears", 'no plugin is called "zoo.ears"')],
)
def test_an_unknown_name_is_an_error_with_the_choices(zoo, capsys, name, message):
    assert main(["plugins", "show", name]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["yunet", "photo", "agegender", "phrasebook"])
def test_every_built_in_plugin_can_be_shown_and_explains_each_option(capsys, name):
    plugin = shown(capsys, name)
    assert plugin["components"]
    for part in plugin["components"]:
        assert part["summary"]
        assert all(option["description"] for option in part["options"])
        assert all(file["licence"] and file["sources"] for file in part["artifacts"])


class Look(enum.Enum):
    NEAR = "near"
    FAR = "far"


class Every(Options):
    plain: int = 3
    bounded: float = Field(0.5, gt=0, le=1, description="a share")
    even: int = Field(2, multiple_of=2)
    word: str = Field("abc", min_length=1, pattern="[a-z]+")
    choice: Literal["a", 2] = "a"
    look: Look = Look.NEAR
    maybe: int | None = None
    rows: list[int] = Field(default_factory=lambda: [1])
    needed: bool


@pytest.mark.parametrize(
    ("name", "kind", "default", "constraints"),
    [
        ("plain", "whole number", 3, []),
        ("bounded", "number", 0.5, ["> 0", "≤ 1"]),
        ("even", "whole number", 2, ["a multiple of 2"]),
        ("word", "text", "abc", ["at least 1 long", "matches [a-z]+"]),
        ("choice", "text or whole number", "a", ["one of a, 2"]),
        ("look", "text", "near", ["one of near, far"]),
        ("maybe", "whole number or none", None, []),
        ("rows", "list of whole number", [1], []),
        ("needed", "true or false", None, []),
    ],
)
def test_options_are_described_in_plain_words(name, kind, default, constraints):
    described = {option["name"]: option for option in describe_options(Component("every", print, Every))}
    option = described[name]
    assert (option["type"], option["default"], option["constraints"]) == (kind, default, constraints)
    assert option["required"] is (name == "needed")


def test_a_component_without_options_has_none():
    assert describe_options(Component("none", print, artifacts=(Artifact("a", (Url("x"),), "MIT"),))) == []


@pytest.mark.parametrize("kind", ["built-in trainers", "every built-in"])
def test_no_type_of_a_built_in_option_is_written_in_python(kind):
    signs = set("[]|.'")
    for one in Plugins.load(builtin_only=True).components():
        if kind == "every built-in" or one.kind == "trainer":
            for option in describe_options(one.component):
                assert not signs & set(option["type"]), f"{one.name}.{option['name']}: {option['type']}"


def test_types_inside_of_types_are_plain_too():
    assert plain_type(dict[str, list[int] | None]) == "table of list of whole number or none by text"
    assert plain_type(Annotated[int, Field(ge=1)] | None) == "whole number or none"
