"""How many captions the fidelity check reads in a second on one core, and how often it is right.

python benchmarks/fidelity.py [LABELLED.jsonl …] [--captions 2000]

Speed is measured on captions of about 40 words with bags of 8 findings. A labelled file has lines of
{"id", "bag", "caption", "missed", "invented"}; precision, recall and F1 are over all names together, and a name that a
caption invents counts once.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from text2face_core import Finding, FusionRequest, Plugins, Runtime
from text2face_core.language.bag import BagSettings, draw_bag
from text2face_core.language.fidelity.check import check_caption
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag, BagItem

SAME = {"young": "age", "male": "gender", "mouth_slightly_open": "mouth_openness"}
FILLER = "The image was taken from the front and shows the whole face of the person in a clear and detailed manner."


def captions(vocabulary: Vocabulary, count: int) -> list[tuple[str, Bag]]:
    """Phrasebook captions of bags of eight findings, filled up to about 40 words."""
    rng = random.Random(0)
    plugins = Plugins.load(builtin_only=True)
    component = plugins.component("phrasebook", "fuser")
    fuser = plugins.build(component, component.component.options(), Runtime(ModelStore(), vocabulary=vocabulary))
    flags = [name for name in vocabulary.findings if vocabulary.words(name, True) and name not in {"male", "young"}]
    made: list[tuple[str, Bag]] = []
    while len(made) < count:
        seen = [Finding(name, True, rng.uniform(0.5, 1)) for name in rng.sample(flags, 7)]
        seen += [Finding("age", rng.uniform(1, 90), 0.9), Finding("gender", rng.choice(["female", "male"]), 0.9)]
        bag = draw_bag(seen, vocabulary, BagSettings(), rng)
        if len(bag.items) == 8:
            words = fuser.fuse([FusionRequest("0", "", 0, bag, "long", len(made))])[0][0].split()
            made.append((" ".join([*words, *FILLER.split()][:40]), bag))
    return made


def speed(vocabulary: Vocabulary, count: int) -> None:
    """Print captions a second of processor time; the vocabulary's words are put in order before."""
    made = captions(vocabulary, count)
    check_caption("", made[0][1], vocabulary)
    start = time.process_time()
    for text, bag in made:
        check_caption(text, bag, vocabulary)
    seconds = time.process_time() - start
    words = sum(len(text.split()) for text, _ in made) / count
    print(f"{count / seconds:,.0f} captions a second ({words:.0f} words and 8 findings each)")


def accuracy(path: Path, vocabulary: Vocabulary) -> None:
    """Print how well missed and invented names agree with a labelled file."""
    right: dict[str, Counter[str]] = {"missed": Counter(), "invented": Counter()}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    for line in lines:
        bag = Bag(tuple(BagItem(item["name"], item["value"], item["phrase"], item["level"]) for item in line["bag"]))
        verdict = check_caption(line["caption"], bag, vocabulary)
        for what, counts in right.items():
            wanted, found = _names(what, line[what]), _names(what, getattr(verdict, what))
            counts["hit"] += (wanted & found).total()
            counts["extra"] += (found - wanted).total()
            counts["lacking"] += (wanted - found).total()
    for what, n in right.items():
        precision, recall = n["hit"] / max(1, n["hit"] + n["extra"]), n["hit"] / max(1, n["hit"] + n["lacking"])
        f1 = 2 * n["hit"] / max(1, 2 * n["hit"] + n["extra"] + n["lacking"])
        print(f"{path.name}: {what:8}  F1 {f1:.3f}  precision {precision:.3f}  recall {recall:.3f}  of {len(lines)}")


def _names(what: str, names: Sequence[str]) -> Counter[str]:
    return Counter(names) if what == "missed" else Counter({SAME.get(name, name) for name in names})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", nargs="*", type=Path)
    parser.add_argument("--captions", type=int, default=2000)
    given = parser.parse_args()
    vocabulary = Vocabulary.load()
    speed(vocabulary, given.captions)
    for path in given.labelled:
        accuracy(path, vocabulary)


if __name__ == "__main__":
    main()
