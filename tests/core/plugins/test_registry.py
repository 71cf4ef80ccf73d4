"""Finding, choosing and building plugins, with distributions that are only metadata on the path."""

import ast
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import toys
from support.distributions import add_distribution
from support.paths import ROOT

from text2face_core import Component, Plugins, Runtime, Trainer, hookimpl, hookspecs
from text2face_core.cli import main
from text2face_core.errors import MissingExtra, PluginError
from text2face_core.models.store import ModelStore
from text2face_core.plugins.registry import ROLES

TOY = Path(toys.__file__).read_text()
RUN = ["run", "photos", "--out", "out", "--no-report", "--set", "captions.max_tokens=0", "--plugins"]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution with one plugin on the path: install("t2f-x", "1.0", "x", CODE)."""
    monkeypatch.chdir(tmp_path)

    def install(distribution: str, version: str, plugin: str, code: str) -> str:
        name = distribution.replace("-", "_")
        site = tmp_path / f"site-{name}"
        add_distribution(site, distribution, f"{plugin} = {name}_module", version)
        (site / f"{name}_module.py").write_text(code)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        return f"{name}_module"

    yield install
    for name in [name for name in sys.modules if name.startswith("t2f_") and name.endswith("_module")]:
        del sys.modules[name]


def module(**hooks):
    """A plugin: t2f_extractors=[Component(...)] becomes a hook that gives this."""
    made = ModuleType("mine")
    for hook, offered in hooks.items():

        def give(offered=offered):
            return offered

        give.__name__ = hook
        setattr(made, hook, hookimpl(give))
    return made


def plugins_with(name="mine", **hooks) -> Plugins:
    plugins = Plugins([])
    plugins.register(name, module(**hooks))
    return plugins


# --- what a plugin may offer ---


def hook_names() -> list[str]:
    tree = ast.parse(Path(hookspecs.__file__).read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("t2f_")]


@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        ("t2f_sources", "source"),
        ("t2f_detectors", "detector"),
        ("t2f_filters", "filter"),
        ("t2f_extractors", "extractor"),
        ("t2f_fusers", "fuser"),
        ("t2f_trainers", "trainer"),
        ("t2f_renderers", "renderer"),
        ("t2f_metrics", "metric"),
    ],
)
def test_each_hook_offers_components_of_its_kind(hook, kind):
    plugins = plugins_with(**{hook: [Component("mine", build=lambda options, runtime: None)]})
    assert [(one.name, one.kind) for one in plugins.components("mine")] == [("mine", kind)]
    assert plugins.chosen(["mine"]) == {kind: ["mine"]}


def test_words_come_from_the_plugins_that_are_asked_for_and_no_others(tmp_path):
    words = {"findings": {}}
    plugins = plugins_with(t2f_vocabulary=words)
    plugins.register("other", module(t2f_vocabulary=tmp_path / "words.toml"))
    assert plugins.vocabularies([]) == []


def test_the_words_of_a_plugin_are_taken_once_however_many_of_its_components_run():
    words = {"findings": {}}
    offered = [Component("mine.a", build=print), Component("mine.b", build=print)]
    plugins = plugins_with(t2f_extractors=offered, t2f_vocabulary=words)
    plugins.register("other", module(t2f_extractors=[Component("other", build=print)], t2f_vocabulary={"findings": 1}))
    assert plugins.vocabularies(["mine.a", "mine.b"]) == [words]


def test_every_hook_is_tried_in_some_test():
    tried = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [hook for hook in hook_names() if f'"{hook}"' not in tried and f"{hook}=" not in tried] == []


def test_every_hook_and_every_kind_has_its_place_in_the_docs():
    headings = re.findall(r"^#+ .*$", (ROOT / "docs" / "plugins.md").read_text(), re.MULTILINE)
    assert [hook for hook in hook_names() if not any(f"`{hook}`" in heading for heading in headings)] == []
    assert {f"t2f_{kind}s" for kind in ROLES} | {"t2f_vocabulary"} == set(hook_names())


# --- plugins that are wrong ---


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
        ("raise RuntimeError('no licence key')", "no licence key"),
        ("import sys; sys.exit('goodbye')", "goodbye"),
        ("def broken(:", "invalid syntax"),
        # a typing error in a hook's name would otherwise mean a plugin that silently does nothing
        ("from text2face_core import hookimpl\n@hookimpl\ndef t2f_extractor(): return []", "t2f_extractor"),
        (
            "from text2face_core import Component, hookimpl\n"
            "@hookimpl\ndef t2f_fusers(): return [Component('fine', build=print)]",
            'its components must be called "odd" or "odd.something"',
        ),
        ("from text2face_core import hookimpl\n@hookimpl\ndef t2f_fusers(): return ['text']", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_reported_and_stops_only_a_run_that_names_it(install, toy_photos, capsys, code, reason):
    install("t2f-odd", "0.3", "odd", code)
    install("t2f-toy", "1.0", "toy", TOY)
    (toy_photos / "text.jpg").unlink()

    assert main(["plugins", "list", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == "odd")
    assert (row["imported"], row["distribution"], row["version"]) == (False, "t2f-odd", "0.3")
    assert main(["plugins", "show", "odd"]) == 2
    assert reason in capsys.readouterr().err

    assert main([*RUN, "toy"]) == 0
    assert "odd" not in capsys.readouterr().err

    for _ in range(2):  # it is as broken the second time
        assert main([*RUN, "toy,odd"]) == 2
        message = capsys.readouterr().err
        assert 'the plugin "odd"' in message
        assert "t2f-odd 0.3" in message
        assert reason in message


def test_a_plugin_whose_module_is_gone_is_listed_as_broken(install, tmp_path, capsys):
    name = install("t2f-odd", "0.3", "odd", TOY)
    for path in tmp_path.rglob(f"{name}.py"):
        path.unlink()
    assert main(["plugins", "list", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == "odd")
    assert row["status"] == "broken"
    assert name in row["error"]


def test_two_outside_plugins_of_one_name_are_an_error_that_names_both(install, capsys, monkeypatch):
    install("t2f-here", "1.0", "same", TOY.replace('"toy', '"same'))
    install("t2f-there", "2.5", "same", TOY.replace('"toy', '"same'))
    assert main(["plugins", "list"]) == 2
    message = capsys.readouterr().err
    assert "t2f-here 1.0" in message
    assert "t2f-there 2.5" in message
    monkeypatch.setenv("T2F_LOAD_PLUGINS", "t2f-there")  # as the message advises
    assert main(["plugins", "list", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "same"]
    assert [(row["distribution"], row["status"]) for row in rows] == [
        ("t2f-there", "available"),
        ("t2f-here", "disabled"),
    ]


def test_an_outside_plugin_replaces_a_built_in_one_and_one_line_says_so(install, capsys):
    install("t2f-words", "3.0", "phrasebook", TOY.replace('"toy', '"phrasebook'))
    assert main(["plugins", "list", "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == 't2f: "phrasebook" from t2f-words 3.0 replaces the built-in plugin of that name\n'
    rows = {row["distribution"]: row for row in json.loads(shown.out) if row["name"] == "phrasebook"}
    assert rows["t2f-words"]["status"] == "available"
    assert rows["text2face"]["status"] == "replaced"


# --- switches ---


@pytest.mark.parametrize(
    ("switch", "used", "said"),
    [
        (None, {"toy", "other"}, ""),
        ("", set(), ""),
        ("toy", {"toy"}, ""),
        ("t2f-other", {"other"}, ""),  # by distribution
        (" toy , other ", {"toy", "other"}, ""),
        ("toy,gone", {"toy"}, 't2f: T2F_LOAD_PLUGINS names "gone", which is not installed\n'),
    ],
)
def test_load_plugins_says_which_outside_plugins_are_used(install, monkeypatch, capsys, *, switch, used, said):
    install("t2f-toy", "1.0", "toy", TOY)
    install("t2f-other", "1.0", "other", TOY.replace('"toy', '"other'))
    if switch is not None:
        monkeypatch.setenv("T2F_LOAD_PLUGINS", switch)
    assert main(["plugins", "list", "--json"]) == 0
    shown = capsys.readouterr()
    rows = json.loads(shown.out)
    assert {row["name"] for row in rows if row["status"] == "available" and not row["builtin"]} == used
    assert {row["name"] for row in rows if row["status"] == "disabled"} == {"toy", "other"} - used
    assert shown.err == said


def test_no_plugins_leaves_built_in_ones_only_and_says_why_a_name_is_unknown(install, capsys):
    install("t2f-toy", "1.0", "toy", "raise RuntimeError('imported')")
    assert main(["--no-plugins", "plugins", "list", "--json"]) == 0
    rows = {row["name"]: row["status"] for row in json.loads(capsys.readouterr().out)}
    assert rows["toy"] == "disabled"
    assert rows["yunet"] == "available"
    assert main(["--no-plugins", "plugins", "show", "toy"]) == 0
    assert "disabled" in capsys.readouterr().out
    assert main(["--no-plugins", *RUN, "toy"]) == 2
    assert '"toy" is installed, but T2F_LOAD_PLUGINS or --no-plugins leaves it out' in capsys.readouterr().err


def test_trace_names_hooks_plugins_components_and_milliseconds(install, toy_photos, monkeypatch, capsys):
    install("t2f-toy", "1.0", "toy", TOY)
    (toy_photos / "text.jpg").unlink()
    monkeypatch.setenv("T2F_TRACE", "1")
    assert main([*RUN, "toy"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trace: ")]
    told = {re.sub(r" in \d+\.\d ms$", "", line) for line in lines}
    assert all(re.search(r" in \d+\.\d ms$", line) for line in lines)
    assert told >= {
        "trace: import t2f_toy_module",
        "trace: t2f_detectors(toy)",
        "trace: t2f_extractors(toy)",
        "trace: build toy.shade",
        "trace: toy.echo(28)",  # seven accepted photos, four captions each
    }
    assert any(re.fullmatch(r"trace: toy\.shade\(\d+\)", line) for line in told)


def test_without_trace_nothing_is_traced(install, toy_photos, capsys):
    install("t2f-toy", "1.0", "toy", TOY)
    main([*RUN, "toy"])
    assert "trace:" not in capsys.readouterr().err


# --- choosing ---


def test_names_are_listed_without_importing_anything(install):
    name = install("t2f-odd", "0.3", "odd", "raise RuntimeError('imported')")
    assert "odd" in Plugins.load().names()
    assert name not in sys.modules


@pytest.fixture
def several() -> Plugins:
    offered = [Component("mine.a", build=print), Component("mine.b", build=print)]
    plugins = plugins_with(t2f_extractors=offered, t2f_fusers=[Component("mine.writer", build=print)])
    two = [Component("twin.x", build=print), Component("twin.y", build=print)]
    plugins.register("twin", module(t2f_fusers=two))
    plugins.register("hollow", module())
    return plugins


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], {}),
        (["mine"], {"extractor": ["mine.a", "mine.b"], "fuser": ["mine.writer"]}),
        (["mine.b", "mine.a"], {"extractor": ["mine.b", "mine.a"]}),  # in the order given
        (["mine.b", "mine"], {"extractor": ["mine.b", "mine.a"], "fuser": ["mine.writer"]}),
        (["mine.a", "twin.y"], {"extractor": ["mine.a"], "fuser": ["twin.y"]}),
    ],
)
def test_names_choose_plugins_or_single_components(several, names, chosen):
    assert several.chosen(names) == chosen


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mime"], 'no plugin is called "mime". Did you mean "mine"? Extractors: mine.a, mine.b. Fusers: mine.writer'),
        (["mine.c"], 'no plugin is called "mine.c"'),
        (["twin"], "a run has one fuser, and twin.x and twin.y were named: name one of them"),
        (["mine.writer", "twin.x"], "a run has one fuser, and mine.writer and twin.x were named"),
        (["hollow"], '"hollow" offers nothing that a run could use'),
    ],
)
def test_names_that_cannot_be_meant_are_refused_with_the_choices(several, names, message):
    with pytest.raises(PluginError, match=re.escape(message)):
        several.chosen(names)


def test_a_component_of_another_kind_is_no_answer(several):
    with pytest.raises(PluginError, match=r'no fuser is called "mine\.a"'):
        several.component("mine.a", "fuser")


def test_registering_a_name_again_replaces_what_was_registered_before():
    plugins = plugins_with(t2f_fusers=[Component("mine", build=print, summary="first")])
    assert plugins.component("mine", "fuser").component.summary == "first"
    plugins.register("mine", module(t2f_fusers=[Component("mine", build=print, summary="second")]))
    assert plugins.component("mine", "fuser").component.summary == "second"


# --- building ---


def build(component: Component):
    plugins = Plugins([])
    plugins.register("mine", module(t2f_trainers=[component]), "t2f-mine")
    return plugins.build(plugins.component("mine", "trainer"), component.options(), Runtime(ModelStore()))


@pytest.mark.parametrize(
    ("extra", "install"),
    [("big", r"pip install 't2f-mine\[big\]'"), (None, "pip install a-heavy-package")],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(extra, install):
    def needs_it(options, runtime):
        import a_heavy_package.part  # noqa: F401

    with pytest.raises(MissingExtra, match=f'the plugin "mine" needs a_heavy_package, .* not installed: {install}'):
        build(Component("mine", needs_it, extra=extra))


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ImportError("cannot import name 'Gone' from 'json'", name="json"), "cannot import name 'Gone' from 'json'"),
        (ModuleNotFoundError("No module named 'json.gone'", name="json.gone"), "No module named 'json.gone'"),
        (ImportError("peft>=9 is required, but found peft==8"), "peft>=9 is required, but found peft==8"),
        (ImportError("libcudart.so.13: cannot open shared object file"), "libcudart.so.13: cannot open"),
    ],
)
def test_a_package_of_another_version_is_not_called_missing(raised, reason):
    def needs_it(options, runtime):
        raise raised

    with pytest.raises(MissingExtra) as error:
        build(Component("mine", needs_it, extra="big"))
    assert reason in str(error.value)
    assert "not installed" not in str(error.value)
    assert "pip install --upgrade --upgrade-strategy eager 't2f-mine[big]'" in str(error.value)


def test_a_build_that_fails_names_the_plugin():
    with pytest.raises(PluginError, match='the plugin "mine" could not be built: ZeroDivisionError'):
        build(Component("mine", lambda options, runtime: 1 / 0))


def test_a_build_that_makes_something_else_is_refused():
    with pytest.raises(PluginError, match='the plugin "mine" built int, which is not a Trainer'):
        build(Component("mine", lambda options, runtime: 7))


def test_a_build_gives_the_component_its_options_and_the_runtime():
    class Teacher(Trainer):
        def __init__(self, *given):
            self.given = given

        def train(self, dataset, out, progress):
            raise AssertionError

    options, runtime = build(Component("mine", Teacher)).given
    assert (options, runtime.device) == (Component("mine", Teacher).options(), "cpu")
