"""How many bags are drawn, captions written, read, measured, and photos captioned by all of it, a second and core.

python benchmarks/language.py [--bags 2000]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from text2face_core import Finding, FusionRequest, Plugins, Recipe, Runtime
from text2face_core.language.bag import BagSettings, draw_bag
from text2face_core.language.fidelity.check import check_caption
from text2face_core.language.shape import find_flaw, tidy_text
from text2face_core.language.tokens import token_counter
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.models.store import ModelStore
from text2face_core.pipeline.captioning import Captioning
from text2face_core.pipeline.stage import Clock
from text2face_core.records import AnalysisRow
from text2face_core.utils.seeding import random_stream


def random_findings(vocabulary: Vocabulary, rng: random.Random) -> list[Finding]:
    """Age, gender, and each flag of the vocabulary with a chance of one in five."""
    flags = [name for name in vocabulary.findings if vocabulary.words(name, True)]
    seen = [Finding(name, True, 0.9) for name in flags if rng.random() < 0.2]
    return [Finding("age", rng.uniform(1, 90), 0.9), Finding("gender", rng.choice(["female", "male"]), 0.9), *seen]


def rate(what: str, work: Callable[[Any], object], inputs: Sequence[Any]) -> None:
    """Print how many inputs are done in a second of processor time."""
    start = time.process_time()
    for one in inputs:
        work(one)
    print(f"{what:22} {len(inputs) / (time.process_time() - start):8,.0f} a second")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bags", type=int, default=2000)
    number = parser.parse_args().bags
    vocabulary, settings, rng = Vocabulary.load(), BagSettings(), random.Random(0)
    seen = [random_findings(vocabulary, rng) for _ in range(number)]
    rate("bags drawn", lambda findings: draw_bag(findings, vocabulary, settings, random_stream(0, "bag")), seen)
    bags = [draw_bag(findings, vocabulary, settings, rng) for findings in seen]
    plugins = Plugins.load(builtin_only=True)
    component = plugins.component("phrasebook", "fuser")
    fuser = plugins.build(component, component.component.options(), Runtime(ModelStore(), vocabulary=vocabulary))
    for style in ("short", "long"):
        requests = [FusionRequest("0", "", 0, bag, style, seed) for seed, bag in enumerate(bags)]
        rate(f"{style} captions written", lambda request: fuser.fuse([request]), requests)
    read = [(fuser.fuse([request])[0][0], request.bag) for request in requests]
    rate("captions read", lambda one: check_caption(one[0], one[1], vocabulary), read)
    rate("shapes read", lambda one: find_flaw(tidy_text(one[0])), read)
    count = token_counter(ModelStore()).count
    rate("lengths counted", lambda one: count(one[0]), read)
    resolved = Recipe.load("starter").resolve(plugins)
    captioning = Captioning(resolved, plugins, Runtime(ModelStore(), vocabulary=vocabulary), Clock())
    rows = [AnalysisRow(f"{place:016x}", "", 0, "ok", findings=tuple(findings)) for place, findings in enumerate(seen)]
    rate("photos captioned", lambda row: captioning([row]), rows)


if __name__ == "__main__":
    main()
