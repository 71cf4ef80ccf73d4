"""What a language model is told: our templates, a user's own, and what is wrong with a wrong one."""

import re
import time

import pytest
from pydantic import ValidationError

from text2face_core.contracts import Component, FusionRequest, Options
from text2face_core.errors import RecipeError
from text2face_core.language.prompts import Prompts, PromptTemplate, built_in
from text2face_core.plugins.discovery import DiscoveredPlugin
from text2face_core.plugins.registry import Registered
from text2face_core.recipe import Part
from text2face_core.records import Bag, BagItem

PERSON = (
    BagItem("gender", "female", "woman", "F1"),
    BagItem("age", 34.2, "29 to 39 years old", "F1"),
    BagItem("emotion", "fear", "partly afraid", "F2"),
    BagItem("emotion", "surprise", "partly surprised", "F2"),
    BagItem("wearing_hat", True, "a hat", "F2"),
)
PHOTO = (BagItem("blurry", True, "blurry", "photo"), BagItem("monochrome", True, "black and white", "photo"))


def asked(items=PERSON, style="long", missed=(), number=0):
    return FusionRequest("00000000000000a7", "/photos/a.jpg", number, Bag(items), style, 1, missed=missed)


@pytest.fixture
def own(tmp_path):
    """Writes a template of one's own, and gives its path."""

    def write(text, name="own.j2"):
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("template", built_in())
@pytest.mark.parametrize("style", ["short", "long", "tags"])
@pytest.mark.parametrize("items", [PERSON, PERSON + PHOTO, PERSON[:1], PERSON[2:], PHOTO, ()])
def test_every_phrase_of_the_bag_is_in_the_prompt_primary_ones_first(template, style, items):
    text = Prompts(template).render(asked(items, style))
    places = [text.rindex(item.phrase) for item in items if item.level != "photo"]
    assert places == sorted(places)
    assert all(item.phrase in text for item in items)
    assert text == text.strip()
    assert "\n\n\n" not in text


@pytest.mark.parametrize("template", built_in())
def test_each_style_is_an_instruction_of_its_own(template):
    assert len({Prompts(template).render(asked(style=style)) for style in ("short", "long", "tags")}) == 3


@pytest.mark.parametrize("template", built_in())
def test_a_style_that_a_prompt_does_not_know_is_refused(template):
    with pytest.raises(RecipeError, match=template + r'.j2, line \d+: .*"short", "long" and "tags", not "haiku"'):
        Prompts(template).render(asked(style="haiku"))


@pytest.mark.parametrize("template", built_in())
def test_blur_and_black_and_white_are_said_of_the_image_and_only_then(template):
    said, without = (Prompts(template).render(asked(items)) for items in (PERSON + PHOTO, PERSON))
    assert re.search("image is blurry,.* black and white", said)
    assert said.count("image") > without.count("image")


@pytest.mark.parametrize("template", built_in())
def test_a_second_try_names_what_the_first_left_out(template):
    first = Prompts(template).render(asked())
    second = Prompts(template).render(asked(missed=("wearing_hat", "emotion")))
    assert first.count("a hat") + 1 == second.count("a hat")
    assert "partly afraid, partly surprised, a hat" in second  # a finding's two values are named both


def test_a_template_of_ones_own_has_every_word_of_the_bag_and_what_it_is_for(own):
    path = own(
        "{{ number }} {{ photo_id }} {{ style }}: {{ f1|join('/') }} {{ f2|length }} {{ photo }}\n"
        "{% for item in items %}{{ item.level }} {{ item.name }}={{ item.value }} {% endfor %}{{ missed }}"
    )
    assert Prompts(path).render(asked(PERSON[:3] + PHOTO[:1], "tags", ("age",), 2)) == (
        "2 00000000000000a7 tags: woman/29 to 39 years old 1 ['blurry']\n"
        "F1 gender=female F1 age=34.2 F2 emotion=fear photo blurry=True ['29 to 39 years old']"
    )


def test_a_template_of_ones_own_may_change_a_part_of_ours(own):
    path = own(
        '{% extends "paper.j2" %}{% block task %}Describe the photo in the manner of a police report.{% endblock %}'
    )
    text = Prompts(path).render(asked())
    assert text.startswith("Describe the photo in the manner of a police report.")
    assert text.endswith(Prompts("paper").render(asked()).splitlines()[-1])


def test_a_template_may_name_things_of_its_own(own):
    path = own(
        "{% if style == 'long' %}{% set many = 'two' %}{% elif style %}{% set many = 'one' %}{% endif %}"
        "{% macro shout(word) %}{{ word|upper }}{% endmacro %}{{ many }} {{ shout(f1[0]) }}"
    )
    assert Prompts(path).render(asked()) == "two WOMAN"


def test_a_file_that_is_called_like_a_prompt_of_ours_does_not_replace_it(tmp_path, monkeypatch, own):
    own("mine", "paper")
    monkeypatch.chdir(tmp_path)
    assert Prompts("paper").render(asked()) != "mine"
    assert Prompts("./paper").render(asked()) == "mine"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n{{ f3 }}", r'own.j2, line 2: "f3" is not defined; there are: f1, f2, items, missed, number, photo, '),
        ("{% if false %}\n{{ stile }}{% endif %}", r'own.j2, line 2: "stile" is not defined; did you mean "style"'),
        ("a\n\n{% if %}", "own.j2, line 3: Expected an expression"),
        ("{{ f1|shout }}", "own.j2, line 1: No filter named 'shout'"),
        ('{% extends "papers.j2" %}', "own.j2: 'papers.j2' not found"),
        (b"\xff\xfe", "cannot read.*own.j2"),
        ("a" * 200_000, "own.j2 is longer"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "own.j2"),
    ],
)
def test_a_template_that_is_wrong_is_refused_before_anything_is_asked(own, text, problem):
    with pytest.raises(RecipeError, match=problem):
        Prompts(own(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n{{ items[0].word }}", "own.j2, line 2: .* has no attribute 'word'"),
        ("a\n{{ f1[9] }}", "own.j2, line 2: list object has no element 9"),
        ("\n{{ 1 / number }}", "own.j2, line 2: division by zero"),
        ('{{ fail("no good") }}', "own.j2, line 1: no good"),
        ("{{ ''.__class__.__mro__ }}", "own.j2, line 1: .* unsafe"),  # the sandbox
        ("{{ items.append }}{{ f1.append(1) }}", "own.j2, line 1: "),
        ("{% for n in range(10 ** 9) %}{% endfor %}", "own.j2, line 1: Range too big"),
        ('{% extends "paper.j2" %}{% block rules %}\n{{ f2[9] }}{% endblock %}', "own.j2, line 2: "),
    ],
)
def test_a_template_that_goes_wrong_names_its_line(own, text, problem):
    with pytest.raises(RecipeError, match=problem):
        Prompts(own(text)).render(asked())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("papr", r'examples, paper, .* Did you mean "paper"\?'),
        ("nowhere/mine.j2", '"nowhere/mine.j2"'),
        (".", "examples, paper"),
    ],
)
def test_an_unknown_prompt_is_refused_with_the_choices(name, hint):
    with pytest.raises(RecipeError, match=hint):
        Prompts(name)


class Asking(Options):
    prompt: PromptTemplate = "paper"


def key(template):
    component = Component("asking", lambda options, runtime: None, Asking)
    registered = Registered(
        "fuser", component, DiscoveredPlugin("asking", "asking", "tests", "1", builtin=False, load=lambda: None)
    )
    return Part(registered, Asking(prompt=template)).identity()


def test_a_fusers_identity_changes_with_the_text_of_its_template(own):
    path = own('{% include "paper.j2" %}')
    before = key(path)
    assert key(path) == before
    own('{% include "paper.j2" %} Please.')
    assert key(path) != before
    assert key("paper") not in (before, key(path))


def test_a_fuser_is_refused_a_template_that_is_wrong():
    with pytest.raises(ValidationError, match='"papr"'):
        Asking(prompt="papr")


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 10**10 }}",
        "{{ 10**(10**10) }}",
        "{{ [1] * 10**10 }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in f1 %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) if a < 0 %}{% endfor %}{% for b in range(99999) %}{% endfor %}",
        "{{ 'a'|center(10**10) }}",
        "{{ 'a'.center(10**10) }}",
        "{{ 'a'.zfill(10**10) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ '%10000000000d'|format(1) }}",
        "{{ lipsum(n=10**6) }}",
        "{{ 'a'|indent(10**10, true) }}",
        "{{ ('a' * 9999).replace('a', 'a' * 9999) }}",
        "{{ ('a' * 9999)|replace('a', 'a' * 9999) }}",
        "{{ ('a' * 9999).join('a' * 9999) }}",
        "{{ ('a' * 9999)|join('a' * 9999) }}",
        "{{ range(99999)|map('replace', '', 'a' * 9999)|list }}",
        "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=3) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = n.x + [('a' * 9999)[1:]] %}{% endfor %}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
        "{% set x %}{% for i in range(99999) %}" + "a" * 9999 + "{% endfor %}{% endset %}",
        "{% for i in [[[[], []], []], []] recursive %}{{ loop([i, i]) }}{% endfor %}",
    ],
)
def test_a_template_cannot_take_more_than_its_share_of_time_and_memory(own, text):
    before = time.thread_time()
    with pytest.raises(RecipeError):
        Prompts(own(text)).render(asked())
    assert time.thread_time() - before < 15  # of CPU: what a bounded one takes, however busy the machine is


def test_a_template_that_includes_itself_ends(own):
    path = own("{% include name %}{% include name %}".replace("name", "'own.j2'"))
    with pytest.raises(RecipeError):
        Prompts(path).render(asked())


def test_what_is_left_suffices_for_prompts(own):
    text = """{%- macro each(words) -%}{% for word in words %}{{ loop.index }}/{{ loop.length }} {{ word|title }}
    {%- if not loop.last %}, {% endif %}{% endfor %}{%- endmacro -%}
    {{ each(f1) }}; {{ f2|join(", ") }}; {{ items|map(attribute="name")|unique|sort|join(" ") }};
    {{- " yes" if "woman" in f1 else " no" }} {{ (f1|length + 1) * 2 }} {{ "x" ~ number ~ "y" }} {{ f1[0][:3].upper() }}
    {%- set seen = namespace(count=0) %}{% for item in items if item.level == "F1" %}{% set seen.count = loop.index %}
    {%- endfor %} {{ seen.count }} {{ style.replace("long", "short") }} {{ ", ".join(f1) }}"""
    assert Prompts(own(text)).render(asked()) == (
        "1/2 Woman, 2/2 29 To 39 Years Old; partly afraid, partly surprised, a hat; age emotion gender wearing_hat; "
        "yes 6 x0y WOM 2 short woman, 29 to 39 years old"
    )
