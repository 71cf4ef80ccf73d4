"""How well do decoders stand mutated photos and bombs?

    python benchmarks/hostile.py --photos 10000

Small photos of some twenty kinds are mutated (flipped bits, truncation, lying headers, spliced files) and decoded as a
run decodes them; so are small files that ask for much memory or time. Prints how many gave pixels, how many were
refused, over how many a decoder crashed or was too slow, the slowest photo, and the most memory that a decoder took.
Exits with 1 if a decoder crashed or a limit did not hold. Times mean little on a busy machine.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.hostile import bombs, mutate, photos  # noqa: E402

from text2face_core.errors import BadPhoto  # noqa: E402
from text2face_core.images import DecodeLimits, open_decoder  # noqa: E402
from text2face_core.images.pool import WALL_FACTOR  # noqa: E402

MOST_MEMORY = 1e9
"""Bytes that a decoder may take with its default limits, as the security page promises."""


def mutations(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many mutated photos, with names from which they can be made again."""
    whole = photos()
    names, others = [*whole], [*whole.values()]
    for number in range(seed, seed + count):
        name = names[number % len(names)]
        yield f"mutation {number} of {name}", mutate(whole[name], others, random.Random(number))


class Decoding:
    """Decodes photos with several threads, and counts what comes of them."""

    def __init__(self, threads: int) -> None:
        self.limits = DecodeLimits()
        self.decoder, self.threads = open_decoder(self.limits, threads), threads

    def __call__(self, what: str, content: Iterable[tuple[str, bytes]]) -> bool:
        """Print a line for these photos, and return whether all limits held."""
        counts: Counter[str] = Counter()
        bad: list[str] = []
        slowest, began = (0.0, ""), time.monotonic()
        with ThreadPoolExecutor(self.threads) as threads:
            for name, kind, reason, seconds in threads.map(self._one, content):
                counts[kind] += 1
                slowest = max(slowest, (seconds, name))
                if kind in {"crashed", "too slow"} or seconds > WALL_FACTOR * self.limits.max_seconds + 5:
                    bad.append(f"{name}: {reason}")
        counted = ", ".join(f"{counts[kind]} {kind}" for kind in ("decoded", "refused", "crashed", "too slow"))
        print(f"{what}: {counts.total()} in {time.monotonic() - began:.0f} s: {counted}")
        print(f"    slowest: {slowest[0]:.2f} s, {slowest[1]}")
        for line in bad[:20]:
            print(f"    {line}")
        return not counts["crashed"]

    def _one(self, photo: tuple[str, bytes]) -> tuple[str, str, str, float]:
        name, content = photo
        began, kind, reason = time.monotonic(), "decoded", ""
        try:
            self.decoder.decode(content)
        except BadPhoto as refusal:
            reason = str(refusal)
            kind = next((kind for kind in ("crashed", "too slow") if reason.startswith(kind)), "refused")
        return name, kind, reason, time.monotonic() - began


def main() -> int:
    """Decode them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=2000, help="mutated photos (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    decode = Decoding(given.threads)
    held = decode("mutated photos", mutations(given.photos, given.seed))
    held &= decode("bombs", bombs().items())
    decode.decoder.close()
    _end_template()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"most memory of a decoder: {peak / 1e6:.0f} MB; its limit beyond the interpreter's: "
        f"{decode.limits.max_memory / 1e6:.0f} MB"
    )
    return 0 if held and peak <= MOST_MEMORY else 1


def _end_template() -> None:
    """End the process that forks decoders, so that the system knows how much memory they took."""
    from text2face_core.images.template import CAN_FORK, shared_template

    if CAN_FORK:
        shared_template().close()


if __name__ == "__main__":
    sys.exit(main())
