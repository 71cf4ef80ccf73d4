"""Write the generated parts of the documentation: help of every verb, hook signatures, tables of plugins and options.

A generated part stands between two comments in a Markdown file, and names what it holds:

    <!-- generated: help run -->
    …
    <!-- end of generated -->

    python tools/docs/generate.py            write them
    python tools/docs/generate.py --check    change nothing, exit with 1 if a part is out of date
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from text2face_core import Plugins, hookspecs
from text2face_core.cli import VERBS, cli

ROOT = Path(__file__).resolve().parents[2]
PART = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def command_at(path: Sequence[str]) -> click.Command:
    """The command of a verb, such as ["plugins", "show"]. Raises KeyError for an unknown verb."""
    command: click.Command = cli
    for name in path:
        if not isinstance(command, click.Group):
            raise KeyError(name)
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise KeyError(name)
        command = found
    return command


def paragraphs(text: str) -> Iterator[str]:
    r"""Paragraphs of a command's help as Markdown; those that click must not rewrap (\b) are code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            yield "```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```"
        else:
            yield _escaped(" ".join(paragraph.split()))


def signature(parameter: click.Parameter) -> str:
    """An option as users type it: `--out PATH`, `--link / --copy`."""
    names = " / ".join([", ".join(parameter.opts), *parameter.secondary_opts])
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return names
    return f"{names} {_metavar(parameter)}"


def _metavar(parameter: click.Parameter) -> str:
    if parameter.metavar:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    kinds = {"integer": "N", "integer range": "N", "float": "X", "float range": "X", "text": "TEXT"}
    return kinds.get(parameter.type.name, parameter.type.name.upper())


def _limits(parameter: click.Parameter) -> str:
    kind = parameter.type
    if not isinstance(kind, (click.IntRange, click.FloatRange)):
        return ""
    low, high = kind.min, kind.max
    if low is not None and high is not None and high < 2**31:
        return f" From {low} to {high}."
    return f" At least {low}." if low is not None else ""


def _default(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option) or not parameter.show_default:
        return ""
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    return f" Default: {shown}."


def help_of(*path: str) -> str:
    """Usage, description and options of a verb, as Markdown."""
    command = command_at(path)
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    usage = ["t2f", *path, *(["[OPTIONS]"] if len(command.params) > len(arguments) else [])]
    usage += [_argument(parameter) for parameter in arguments]
    parts = ["```text\n" + " ".join(usage) + "\n```", *paragraphs(command.help or command.short_help or "")]
    options = [
        parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        rows = [f"| `{signature(one)}` | {_about(one)} |" for one in options]
        parts.append("\n".join(["| option | meaning |", "|---|---|", *map(_pipes, rows)]))
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            parts += [f"### `t2f {' '.join([*path, name])}`", help_of(*path, name)]
    return "\n\n".join(parts)


def _pipes(row: str) -> str:
    """Escape the pipes inside code of a table's row."""
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("|", r"\|").replace("\\\\|", r"\|"), row)


def _about(option: click.Option) -> str:
    text = " ".join((option.help or "").split())
    text = re.sub(
        r"\s*\[(default: .*?|required|x>=.*?)\]", lambda found: f" {found[1][:1].upper()}{found[1][1:]}.", text
    )
    return _escaped((text + _limits(option) + _default(option) + (" Required." if option.required else "")).strip())


def _argument(parameter: click.Argument) -> str:
    name = parameter.metavar or (parameter.name or "").upper()
    return name if parameter.nargs == 1 or "…" in name else f"{name}…"


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*")


def verbs() -> str:
    """A table of all verbs with links to their pages."""
    pages: dict[str, str] = {}  # another name of a verb has the verb's page
    for name, (place, _) in VERBS.items():
        pages.setdefault(place, name)
    rows = [f"| [`t2f {name}`](verbs/{pages[at]}.md) | {_escaped(line)} |" for name, (at, line) in VERBS.items()]
    return "\n".join(["| verb | what it does |", "|---|---|", *rows])


def hooks() -> str:
    """Every hook with its signature and docstring."""
    tree = ast.parse(Path(hookspecs.__file__).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    lines = [f"def {one.name}() -> {ast.unparse(one.returns)}" for one in found if one.returns]  # hooks take nothing
    about = [" ".join((ast.get_docstring(one) or "").split()) for one in found]
    rows = [f"| `{line}` | {_escaped(text)} |" for line, text in zip(lines, about, strict=True)]
    return "\n".join(["| hook | what it gives |", "|---|---|", *map(_pipes, rows)])


def plugins() -> str:
    """A table of the built-in components: kind, summary, model files with licences."""
    rows = []
    for one in Plugins.load(builtin_only=True).components():
        files = dict.fromkeys(f"{artifact.licence}" for artifact in one.component.artifacts)
        extra = f"`{one.component.extra}`" if one.component.extra else "–"
        rows.append(
            f"| `{one.name}` | {one.kind} | {_escaped(one.component.summary)} | {extra} | {', '.join(files) or '–'} |"
        )
    head = ["| component | kind | what it does | extra | licences of its model files |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def options_of(name: str, kind: str) -> str:
    """The options of a component with defaults and descriptions."""
    component: Any = next(
        one.component for one in Plugins.load(builtin_only=True).components() if (one.name, one.kind) == (name, kind)
    )
    rows = []
    for field, info in component.options.model_fields.items():
        default = info.get_default(call_default_factory=True)
        shown = "–" if default in (None, "", (), {}) else f"`{default}`"
        rows.append(_pipes(f"| `{name}.{field}` | {shown} | {_escaped(info.description or '')} |"))
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])


MAKERS: dict[str, Callable[..., str]] = {
    "help": help_of,
    "verbs": verbs,
    "hooks": hooks,
    "plugins": plugins,
    "options": options_of,
}


def renewed(text: str) -> str:
    """The text with all its generated parts made again. Raises KeyError if a part names what does not exist."""

    def make(found: re.Match[str]) -> str:
        what, *arguments = found[2].split()
        return f"{found[1]}\n{MAKERS[what](*arguments)}\n\n{found[3]}"

    return PART.sub(make, text)


def pages() -> list[Path]:
    """All Markdown files that may hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main(arguments: Sequence[str]) -> int:
    """Write or check; returns the exit code."""
    stale = []
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = renewed(before)
        if after == before:
            continue
        stale.append(page.relative_to(ROOT).as_posix())
        if "--check" not in arguments:
            page.write_text(after, encoding="utf-8")
    verb = "out of date" if "--check" in arguments else "written"
    for name in stale:
        print(f"{name}: {verb}")
    if stale and "--check" in arguments:
        print("Run: python tools/docs/generate.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
