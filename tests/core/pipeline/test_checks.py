"""Nothing wrong that a plugin returns ends a run: it is that photo's failed row, with the plugin's name."""

import sys
from types import SimpleNamespace

import numpy as np
from support import toys

from text2face_core import (
    Component,
    Detector,
    Extractor,
    Face,
    Filter,
    Finding,
    Fuser,
    Rejection,
    caption_photos,
    hookimpl,
)
from text2face_core.contracts import Options
from text2face_core.plugins.checks import clean
from text2face_core.report import write_report
from text2face_core.run import RunDirectory

BOX = np.array([60, 40, 140, 120], np.float32)
MARKS = np.array([[84, 72], [116, 72], [100, 88], [88, 104], [112, 104]], np.float32)


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def exit_process():
    sys.exit(3)


def recurse():
    return recurse()


def raiser(error):
    def raise_it():
        raise error

    return raise_it


class Mischief:
    """A plugin whose answers for photos that are called after an act are that act's; the others are good."""

    def __init__(self, role, acts):
        self.role, self.acts = role, acts

    def answer(self, role, uri, good):
        """Photos are called by the number of their act, so that any act's name will do."""
        number = uri.rsplit("/", 1)[-1].partition(".")[0]
        return list(self.acts.values())[int(number)]() if role == self.role and number.isdigit() else good

    @hookimpl
    def t2f_detectors(self):
        plugin = self

        class Squares(Detector):
            def detect(self, images):
                # The first pixel tells the number of the photo, of which a detector sees nothing else.
                names = [f"{image[0, 0, 0] - 1}.png" if image[0, 0, 1] == 7 else "good.png" for image in images]
                return [plugin.answer("detector", name, [Face(BOX, MARKS, 1.0)]) for name in names]

        yield Component("mischief.det", lambda o, r: Squares(), Options)

    @hookimpl
    def t2f_filters(self):
        plugin = self

        class Judge(Filter):
            def judge(self, portraits):
                return [plugin.answer("filter", portrait.photo.uri, None) for portrait in portraits]

        yield Component("mischief.fil", lambda o, r: Judge(), Options)

    @hookimpl
    def t2f_extractors(self):
        plugin = self

        class Read(Extractor):
            def extract(self, portraits):
                good = [Finding("age", 33, 0.9), Finding("smiling", True, 0.9)]
                return [plugin.answer("extractor", portrait.photo.uri, good) for portrait in portraits]

        yield Component("mischief.ext", lambda o, r: Read(), Options, provides=("age", "smiling"))

    @hookimpl
    def t2f_fusers(self):
        plugin = self

        class Write(Fuser):
            def fuse(self, requests):
                return [
                    plugin.answer("fuser", request.uri, [f"A person, number {request.number}."]) for request in requests
                ]

        yield Component("mischief.fus", lambda o, r: Write(), Options)


def run(tmp_path, toy_plugins, toy_recipe, role, acts):
    """What becomes of a photo for each act, in a run that must come to its end and leave good photos alone."""
    folder = tmp_path / "photos"
    names = ["good.png", "other.png", *(f"{number}.png" for number in range(len(acts)))]
    for name in names:
        pixels = np.array(toys.Image.open(toys.draw_photo(folder / name)))
        if (number := name.partition(".")[0]).isdigit():
            pixels[0, 0] = (int(number) + 1, 7, 90)
        toys.Image.fromarray(pixels).save(folder / name)
    toy_plugins.register("mischief", Mischief(role, acts))
    parts = {"detector": "mischief.det", "filters": ("mischief.fil",), "extractors": ("mischief.ext",)}
    recipe = toy_recipe.model_copy(update={**parts, "fuser": "mischief.fus"})
    result = caption_photos(folder, recipe, available=toy_plugins, out=tmp_path / "out")
    write_report(RunDirectory.open(tmp_path / "out"))
    rows = {row.uri.rsplit("/", 1)[-1]: (row, captions) for row, captions in result}
    for name in names[:2]:
        row, captions = rows[name]
        assert (row.status, row.reason, len(captions)) == ("ok", "", 4)
        assert [(one.name, one.value) for one in row.findings] == [("age", 33), ("smiling", True)]
    return {act: rows[f"{number}.png"] for number, act in enumerate(acts)}


BROKEN = {
    "a surrogate": lambda: [Finding("hair_colour", "\ud800", 0.9)],
    "a surrogate in a name": lambda: [Finding("hair\udfff", True, 0.9)],
    "infinity": lambda: [Finding("age", float("inf"), 0.9)],
    "not a number": lambda: [Finding("age", float("nan"), 0.9)],
    "a score that is not a number": lambda: [Finding("age", 30, float("nan"))],
    "a score of 90": lambda: [Finding("age", 30, 90)],
    "a score below 0": lambda: [Finding("age", 30, -0.5)],
    "a score in words": lambda: [Finding("age", 30, "high")],
    "no score": lambda: [Finding("age", 30, None)],
    "a number too large to sum": lambda: [Finding("age", 1e308, 0.9)],
    "an integer beyond floats": lambda: [Finding("age", 10**400, 0.9)],
    "no value": lambda: [Finding("hair_colour", None, 0.9)],
    "a list of values": lambda: [Finding("hair_colour", ["red"], 0.9)],
    "an array of values": lambda: [Finding("age", np.array([30, 31]), 0.9)],
    "a complex number": lambda: [Finding("age", 3j, 0.9)],
    "bytes": lambda: [Finding("hair_colour", b"red", 0.9)],
    "no name": lambda: [Finding("", True, 0.9)],
    "a number for a name": lambda: [Finding(7, True, 0.9)],
    "an escape code": lambda: [Finding("hair_colour", "\x1b[31mred", 0.9)],
    "a value of a megabyte": lambda: [Finding("hair_colour", "red" * 400_000, 0.9)],
    "a source that is not a text": lambda: [Finding("smiling", True, 0.9, 7)],
    "a detail in words": lambda: [Finding("smiling", True, 0.9, "", {"p": "much"})],
    "a detail that is not finite": lambda: [Finding("smiling", True, 0.9, "", {"p": float("inf")})],
    "a detail without names": lambda: [Finding("smiling", True, 0.9, "", [1.0])],
    "a text for a finding": lambda: ["smiling"],
    "a text for findings": lambda: "smiling",
    "a finding without a list": lambda: Finding("smiling", True, 0.9),
    "nothing": lambda: None,
    "a generator": lambda: (one for one in [Finding("smiling", True, 0.9)]),
    "too many": lambda: [Finding("smiling", True, 0.9)] * 100_000,
    "an error with control characters": raiser(RuntimeError("boom \x1b[31mred\x1b[0m \u202e <b>\n\ud800")),
    "an error that cannot be printed": raiser(Unprintable()),
    "a lack of memory": raiser(MemoryError()),
    "an endless recursion": recurse,
    "an exit of the process": exit_process,
    "an end of iteration": raiser(StopIteration()),
    "a group of errors": raiser(ExceptionGroup("several", [ValueError("one")])),
}


def test_what_an_extractor_gives_wrong_is_the_failure_of_its_photo(tmp_path, toy_plugins, toy_recipe):
    for what, (row, captions) in run(tmp_path, toy_plugins, toy_recipe, "extractor", BROKEN).items():
        assert (row.status, row.findings, captions) == ("failed", (), ()), what
        assert row.reason.startswith("mischief.ext"), what
        assert row.reason.isprintable(), what
        assert len(row.reason) <= 500, what


NUMPY = {
    "float32": (np.float32(33.5), 33.5),
    "int64": (np.int64(33), 33),
    "uint8": (np.uint8(33), 33),
    "array": (np.array(33.0), 33.0),
    "bool": (np.bool_(True), True),
    "text": (np.str_("red"), "red"),
}


def test_scalars_of_numpy_become_plain_values(tmp_path, toy_plugins, toy_recipe):
    detail = {"p": np.float64(0.25), "n": np.int8(3)}
    acts = {
        what: lambda given=given: [Finding("eye_colour", given, np.float32(0.5), "", detail)]
        for what, (given, _) in NUMPY.items()
    }
    for what, (row, _) in run(tmp_path, toy_plugins, toy_recipe, "extractor", acts).items():
        assert row.status == "ok", what
        ((finding, kept),) = zip(row.findings, [NUMPY[what][1]], strict=True)
        assert (finding.value, type(finding.value)) == (kept, type(kept)), what
        assert (finding.score, finding.detail, finding.source) == (0.5, {"p": 0.25, "n": 3.0}, "mischief.ext")


FACES = {
    "nothing": lambda: None,
    "a number": lambda: 3,
    "a text": lambda: ["a face"],
    "a box that is not finite": lambda: [Face(BOX * np.nan, MARKS, 0.9)],
    "landmarks that are not finite": lambda: [Face(BOX, MARKS * np.inf, 0.9)],
    "a box inside out": lambda: [Face(BOX[::-1].copy(), MARKS, 0.9)],
    "three coordinates": lambda: [Face(BOX[:3], MARKS, 0.9)],
    "four landmarks": lambda: [Face(BOX, MARKS[:4], 0.9)],
    "a box in words": lambda: [Face("here", MARKS, 0.9)],
    "no landmarks": lambda: [Face(BOX, None, 0.9)],
    "no score": lambda: [Face(BOX, MARKS, None)],
    "a box beyond all photos": lambda: [Face(BOX * 1e30, MARKS, 0.9)],
    "an error": raiser(ValueError("no")),
}


def test_what_a_detector_gives_wrong_is_the_failure_of_its_photo(tmp_path, toy_plugins, toy_recipe):
    for what, (row, _) in run(tmp_path, toy_plugins, toy_recipe, "detector", FACES).items():
        assert (row.status, row.face) == ("failed", None), what
        assert row.reason.startswith("mischief.det"), what


def test_a_face_in_lists_and_doubles_is_converted(tmp_path, toy_plugins, toy_recipe):
    acts = {"lists": lambda: [Face(BOX.astype(float).tolist(), MARKS.astype(np.float64), np.float32(0.5))]}
    ((row, _),) = run(tmp_path, toy_plugins, toy_recipe, "detector", acts).values()
    assert (row.status, row.face) == ("ok", Face(BOX, MARKS, 0.5))
    assert (row.face.box.dtype, type(row.face.score)) == (np.float32, float)


def test_what_a_filter_gives_wrong_is_the_failure_of_its_photo(tmp_path, toy_plugins, toy_recipe):
    given = [False, "too dark", Rejection(None), Rejection("\ud800"), Rejection(""), [None], 0]
    acts = {repr(one): lambda one=one: one for one in given}
    for what, (row, _) in run(tmp_path, toy_plugins, toy_recipe, "filter", acts).items():
        assert row.status == "failed", what
        assert row.reason.startswith("mischief.fil"), what


def test_what_a_fuser_gives_wrong_leaves_its_photo_without_captions(tmp_path, toy_plugins, toy_recipe):
    given = [None, "A person.", [None], [7], ["A person \ud800."], [b"A person."]]  # of eight at once, a run stops
    acts = {repr(one): lambda one=one: one for one in given}
    for what, (row, captions) in run(tmp_path, toy_plugins, toy_recipe, "fuser", acts).items():
        assert (row.status, captions) == ("ok", ()), what


def test_a_plugin_that_takes_a_portrait_apart_harms_nothing_else(tmp_path, toy_plugins, toy_recipe):
    class Vandal(Extractor):
        def extract(self, portraits):
            for portrait in portraits:
                portrait.photo = SimpleNamespace(uri="", photo_id="")
                portrait.face = None
            return [[Finding("smiling", True, 0.9)] for _ in portraits]

    class Plugin:
        @hookimpl
        def t2f_extractors(self):
            yield Component("vandal", lambda o, r: Vandal(), Options)

    toy_plugins.register("vandal", Plugin())
    toys.draw_photo(tmp_path / "photos" / "one.png")
    recipe = toy_recipe.model_copy(update={"extractors": ("toy.shade", "vandal")})
    ((row, _),) = caption_photos(tmp_path / "photos", recipe, available=toy_plugins).rows
    assert row.status == "ok"
    assert {one.source for one in row.findings} == {"toy.shade", "vandal"}


def test_messages_from_elsewhere_fit_on_one_line():
    assert clean("a\nb\x1b[31m\u202e\ud800é") == r"a\nb\x1b[31m\u202e\ud800é"
    assert len(clean("x" * 10_000)) == 500
