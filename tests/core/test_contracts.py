"""The generic `Component`: plain and parametrised uses at run time, and what a type checker reports."""

import textwrap
from collections.abc import Iterable

import pytest
from support.paths import ROOT

from text2face_core import Component, Extractor, Options


class Nothing(Extractor):
    def extract(self, portraits):
        return [[] for _ in portraits]


def build(options, runtime):
    return Nothing()


@pytest.mark.parametrize("component_class", [Component, Component[Options, Extractor]])
def test_a_component_is_declared_plainly_or_with_its_options_and_role(component_class):
    component = component_class("nothing", build)
    assert isinstance(component, Component)
    assert component.options is Options
    assert component.files(Options()) == ()
    assert component == Component("nothing", build)


def test_hooks_may_name_options_and_role_in_annotations_that_are_evaluated():
    assert "Options" in str(Iterable[Component[Options, Extractor]])


CASES = {
    "plain, as in 0.1": ("Iterable[Component]", 'Component("x", build, Mine)', ""),
    "options and role": ("Iterable[Component[Mine, Extractor]]", 'Component("x", build, Mine)', ""),
    "options of another build": ("Iterable[Component[Other, Extractor]]", 'Component("x", build, Other)', "arg-type"),
    "another role": ("Iterable[Component[Mine, Detector]]", 'Component("x", build, Mine)', "arg-type"),
    "needs of others": ("Iterable[Component[Mine, Extractor]]", 'Component("x", build, Mine, needs=files)', "arg-type"),
}  # fmt: skip

PLUGIN = """
    from collections.abc import Iterable, Sequence
    from text2face_core import Artifact, Component, Detector, Extractor, Finding, Options, Portrait, Runtime, hookimpl

    class Mine(Options): ...
    class Other(Options): ...

    class Seen(Extractor):
        def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
            return [[] for _ in portraits]

    def build(options: Mine, runtime: Runtime) -> Seen:
        return Seen()

    def files(options: Other) -> list[Artifact]:
        return []
"""


@pytest.mark.nightly
@pytest.mark.slow
def test_a_type_checker_compares_options_build_and_hook(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    code = textwrap.dedent(PLUGIN)
    lines = {}
    for number, (name, (returns, component, _)) in enumerate(CASES.items()):
        code += f"\ndef hook_{number}() -> {returns}:\n    yield {component}\n"
        lines[name] = code.count("\n")
    (tmp_path / "plugin.py").write_text(code)
    monkeypatch.chdir(ROOT)
    options = ["--strict", "--config-file", "pyproject.toml", "--cache-dir", str(tmp_path / "cache")]
    report, errors, _ = api.run([*options, str(tmp_path / "plugin.py")])
    found = [line for line in report.splitlines() if "plugin.py:" in line]
    assert not errors
    for name, (_, _, code) in CASES.items():
        here = [line for line in found if f"plugin.py:{lines[name]}:" in line]
        assert bool(here) == bool(code), (name, report)
        assert all(code in line for line in here), (name, here)
