"""Jinja for untrusted templates: a sandbox that also limits a template's time and memory.

Jinja's own sandbox keeps templates away from the insides of Python, but `'a' * 10**10` and loops in loops over
range(10**5) still stop a program. Here, every round of a loop, call, filter and piece of output takes a step of a
budget, and every value that an operation makes is charged by its length, before it is made if it could be far longer
than its parts. Filters, functions and methods of texts whose results can be long for any arguments (center,
indent, format, lipsum, …) are left out. The rest suffices for prompts; docs/fusers.md lists it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

STEPS = 100_000
CHARACTERS = 1_000_000
SECONDS = 5.0
DIGITS = 4096
"""Most bits of a number."""

_FILTERS = """
abs attr capitalize count d default dictsort e escape first float groupby int items last length list lower map max min
reject rejectattr reverse round select selectattr sort string title trim truncate unique upper wordcount
"""
_TEXT_METHODS = """
capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace
istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip
split splitlines startswith strip swapcase title upper
"""
FILTERS = frozenset(_FILTERS.split())
FUNCTIONS = frozenset({"range", "dict", "cycler", "joiner", "namespace"})
TEXT_METHODS = frozenset(_TEXT_METHODS.split())


class OverBudget(SecurityError):
    """A template exceeds its steps, time or memory."""


@dataclass(slots=True)
class Budget:
    """What a rendering may still use. Time is CPU time of its thread, so that a busy machine changes nothing."""

    steps: int = STEPS
    characters: int = CHARACTERS
    until: float = field(default_factory=lambda: time.thread_time() + SECONDS)

    def step(self) -> None:
        """Use up a step."""
        self.steps -= 1
        if self.steps < 0:
            raise OverBudget(f"it takes more than {STEPS} steps (rounds of loops, calls, filters)")
        if time.thread_time() > self.until:
            raise OverBudget(f"it takes longer than {SECONDS:g} s")

    def charge(self, length: int) -> None:
        """Use up the memory of a value of that length."""
        self.characters -= length
        if self.characters < 0:
            raise OverBudget(f"it makes texts and lists of more than {CHARACTERS} characters together")


_BUDGET: ContextVar[Budget] = ContextVar("budget of a template")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox; render with `render_bounded`. `filters` come in addition to Jinja's harmless filters."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self, filters: Mapping[str, Callable[..., Any]], **settings: Any) -> None:
        super().__init__(undefined=StrictUndefined, optimized=False, **settings)
        allowed = {name: function for name, function in self.filters.items() if name in FILTERS} | dict(filters)
        own = {"join": _join, "replace": _replace, "_concat": _concat, "_output": _output, "_slice": _slice}
        self.filters = {name: _guarded(function) for name, function in allowed.items()}
        self.filters |= own | {"_rounds": _rounds}
        self.globals = {name: value for name, value in self.globals.items() if name in FUNCTIONS}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow only methods of texts whose result is at most as long as their arguments."""
        if isinstance(obj, str | bytes) and attr not in TEXT_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leave out `format`: a width in it makes a text of any length."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Charge the size of the result before it is computed."""
        budget = _BUDGET.get()
        budget.step()
        if operator == "%" and not isinstance(left, int | float):
            raise OverBudget("% is for numbers; join texts with ~")
        numbers = [one for one in (left, right) if isinstance(one, int)]
        if operator in {"*", "**"}:
            bits = [abs(int(one)).bit_length() for one in numbers]
            if sequence := next((one for one in (left, right) if hasattr(one, "__len__")), None):
                budget.charge(len(sequence) * max(0, *numbers, 0))
            elif len(bits) == 2 and (sum(bits) if operator == "*" else bits[0] * abs(int(right))) > DIGITS:
                raise OverBudget("a number becomes too large")
        elif operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            budget.charge(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, macro or method of a template."""
        budget = _BUDGET.get()
        budget.step()
        if isinstance(text := getattr(obj, "__self__", None), str):
            if obj.__name__ == "join":
                return _joined(text, *args)
            if obj.__name__ == "replace":
                return _replace(context, text, *args)
        return _charged(super().call(context, obj, *args, **kwargs))

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> Any:
        return super()._generate(_Counted().visit(source), *args, **kwargs)


def render_bounded(template: Any, *args: Any, **kwargs: Any) -> str:
    """Render a template of a BoundedEnvironment. Raises OverBudget, or any error of the template itself."""
    token = _BUDGET.set(Budget())
    try:
        text: str = template.render(*args, **kwargs)
    finally:
        _BUDGET.reset(token)
    return text


class _Counted(NodeTransformer):
    """Jinja extension that counts loops, outputs, slices and joined texts."""

    def visit_Template(self, node: nodes.Template, *args: Any) -> nodes.Node:  # noqa: N802  Jinja's names
        self.generic_visit(node, *args)
        start = nodes.Output([_filter(nodes.Const("", lineno=1), "_output")], lineno=1)  # a template may include itself
        extends = next((n for n, one in enumerate(node.body, 1) if isinstance(one, nodes.Extends)), 0)
        node.body.insert(extends, start)
        return node

    def visit_For(self, node: nodes.For, *args: Any) -> nodes.Node:  # noqa: N802
        self.generic_visit(node, *args)
        node.iter = _filter(node.iter, "_rounds")
        return node

    def visit_Output(self, node: nodes.Output, *args: Any) -> nodes.Node:  # noqa: N802
        self.generic_visit(node, *args)
        node.nodes = [_filter(one, "_output") for one in node.nodes]
        return node

    def visit_TemplateData(self, node: nodes.TemplateData, *_: Any) -> nodes.Node:  # noqa: N802
        return nodes.Const(node.data, lineno=node.lineno)

    def visit_Concat(self, node: nodes.Concat, *args: Any) -> Any:  # noqa: N802
        self.generic_visit(node, *args)
        return _filter(node.nodes[0], "_concat", node.nodes[1:])

    def visit_Getitem(self, node: nodes.Getitem, *args: Any) -> Any:  # noqa: N802
        self.generic_visit(node, *args)
        if not isinstance(node.arg, nodes.Slice):
            return node
        none = nodes.Const(None, lineno=node.lineno)
        return _filter(node.node, "_slice", [one or none for one in (node.arg.start, node.arg.stop, node.arg.step)])


def _filter(node: Any, name: str, args: list[nodes.Expr] | None = None) -> Any:
    made = nodes.Filter(node, name, args or [], [], None, None, lineno=node.lineno)
    return made.set_environment(node.environment) if node.environment else made


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    wanted = getattr(getattr(function, "jinja_pass_arg", None), "name", "")

    @pass_context
    def guarded(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        _BUDGET.get().step()
        passed = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        first = [passed[wanted]] if wanted else []
        return _charged(function(*first, value, *args, **kwargs))

    return guarded


def _charged(value: Any) -> Any:
    if hasattr(value, "__len__"):
        _BUDGET.get().charge(len(value))
    return value


@pass_context
def _rounds(_: Context, values: Any) -> Any:
    return _Rounds(values) if hasattr(values, "__len__") else _each(values)


class _Rounds:
    """A sequence that counts the rounds of a loop over it; it has a length, which `loop.last` needs."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return _each(self._values)


def _each(values: Iterable[Any]) -> Iterator[Any]:
    budget = _BUDGET.get()
    for value in values:
        budget.step()
        yield value


@pass_context
def _output(_: Context, value: Any) -> str:
    budget = _BUDGET.get()
    budget.step()
    text = str(value)
    budget.charge(len(text))
    return text


@pass_context
def _concat(_: Context, *values: Any) -> str:
    return _joined("", values)


@pass_context
def _slice(_: Context, value: Any, start: Any, stop: Any, step: Any) -> Any:
    _BUDGET.get().step()
    return _charged(value[start:stop:step])


@pass_context
def _join(context: Context, values: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        values = (context.environment.getattr(one, str(attribute)) for one in values)
    return _joined(str(d), values)


def _joined(between: str, values: Iterable[Any]) -> str:
    budget, parts = _BUDGET.get(), []
    for value in values:
        budget.step()
        parts.append(str(value))
        budget.charge(len(parts[-1]) + len(between))
    return between.join(parts)


@pass_context
def _replace(_: Context, value: Any, old: str, new: str, count: int = -1) -> str:
    budget, text = _BUDGET.get(), str(value)
    budget.step()
    budget.charge(len(text) + (text.count(str(old)) if old else len(text) + 1) * len(str(new)))
    return text.replace(str(old), str(new), -1 if count is None else count)
