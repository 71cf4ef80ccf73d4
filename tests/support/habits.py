"""Fusers with one habit each, and the captioning of made-up photos with them."""

from text2face_core import Component, Fuser, Plugins, Recipe, Runtime, hookimpl
from text2face_core.models.store import ModelStore
from text2face_core.pipeline.captioning import Captioning
from text2face_core.pipeline.stage import Clock
from text2face_core.records import AnalysisRow, Finding
from text2face_core.utils.seeding import stream_seed

OPENINGS = ("A photo of", "A picture of", "An image of", "This is", "Here is", "A portrait of")


def photo_id(number):
    return f"{number:016x}"


def turn_of(request, seed=0):
    """Which try this is: 0 for the first."""
    return next(
        turn for turn in range(50) if stream_seed(seed, request.photo_id, "fuser", request.number, turn) == request.seed
    )


def right(request, leave_out=()):
    """A caption that says the bag, a different one for each of a photo's captions."""
    said = " and ".join(item.phrase for item in request.bag.items if item.name not in leave_out)
    return f"{OPENINGS[request.number]} a person who is {said}."


class Habit(Fuser):
    """Writes what `write` says for each request, and remembers what it was asked."""

    def __init__(self, write):
        self.write, self.asked = write, []

    def fuse(self, requests):
        self.asked += requests
        return [self.write(request) for request in requests]


def set_up(write, *settings, store=None, **component):
    """Captioning with a fuser of that habit, and the fuser."""
    fuser = Habit(write)

    class Plugin:
        @staticmethod
        @hookimpl
        def t2f_fusers():
            yield Component("habit", lambda options, runtime: fuser, **component)

    plugins = Plugins.load(builtin_only=True)
    plugins.register("habit", Plugin())
    recipe = Recipe(detector="yunet", fuser="habit").with_settings(["captions.max_tokens=0", *settings])
    resolved = recipe.resolve(plugins)
    runtime = Runtime(store or ModelStore(offline=True), vocabulary=resolved.vocabulary)
    return Captioning(resolved, plugins, runtime, Clock()), fuser


def rows_of(count, **more):
    return [
        AnalysisRow(
            photo_id(number),
            f"/photos/{number}.jpg",
            0,
            "ok",
            findings=(Finding("age", 20.0 + number, 0.9), Finding("gender", ("female", "male")[number % 2], 0.9)),
            **more,
        )
        for number in range(count)
    ]


def captions_of(captioning, rows):
    return [caption for row in captioning(rows) for caption in row.captions]


def wrong_until(turns, **how):
    return lambda request: [right(request, **how) if turn_of(request) < turns else right(request)]
