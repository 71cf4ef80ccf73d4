"""A process that runs toys on Ray, for tests that kill it: python ray_driver.py PHOTOS OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from support import toys
from text2face_core import Plugins, Recipe
from text2face_core.engines import Pool, RayEngine, Work
from text2face_core.library import Session, finish_run
from text2face_core.models import ModelStore
from text2face_core.run import RunDirectory

CAPTIONS = {"max_tokens": 0, "fallback": "", "check": False}


def main(photos: str, out: str) -> None:
    """Analyse and caption the photos."""
    plugins = Plugins.load(builtin_only=True)
    plugins.register("toy", toys)
    recipe = Recipe.parse(
        {
            "detector": "toy",
            "filters": ["toy.left"],
            "extractors": ["toy.shade"],
            "fuser": "toy.echo",
            "captions": CAPTIONS,
        },
        "a test",
    )
    session = Session(
        run=RunDirectory(Path(out)),
        plugins=plugins,
        models=ModelStore(),
        engine=RayEngine(analysis=Pool(actors=2)),
        work=Work(batch=2, decode_threads=1),
        chunk_size=4,
    )
    with session.run.lock():
        session.caption(session.analyse([photos], recipe))
        finish_run(session.run, report=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
