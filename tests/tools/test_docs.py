"""The generated parts of the documentation are what the code says."""

import importlib.util
import re

import pytest
from support.paths import ROOT


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools" / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_generated_part_is_out_of_date(generate, capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_every_verb_has_a_page_and_every_page_is_in_the_navigation(generate):
    folder = ROOT / "docs" / "verbs"
    aliases = {"caption"}
    assert {page.stem for page in folder.glob("*.md")} == set(generate.VERBS) - aliases
    navigation = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(navigation) == sorted(
        page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")
    )


def test_a_changed_part_is_found_and_written_again(generate):
    text = "before\n<!-- generated: verbs -->\noutdated\n<!-- end of generated -->\nafter\n"
    renewed = generate.renewed(text)
    assert "outdated" not in renewed
    assert renewed.startswith("before\n")
    assert renewed.endswith("after\n")
    assert generate.renewed(renewed) == renewed


@pytest.mark.parametrize("what", ["help nothing", "nothing"])
def test_a_part_that_does_not_exist_is_an_error(generate, what):
    with pytest.raises(KeyError):
        generate.renewed(f"<!-- generated: {what} -->\n<!-- end of generated -->")
