"""Does a training that is killed again and again end like one that is left alone?

    python benchmarks/train_kills.py --minutes 120 --every 180

A small SD 2.1 is trained on the example photos, as long as `--minutes` say, once with a SIGKILL at a random moment
every so many seconds, each time followed by the same command, and once without. Prints the largest difference between
the two LoRA files, which should be 0.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

from support import sd_training, tiny_sd  # noqa: E402

PHOTOS = ROOT / "examples" / "photos"
TRY_STEPS = 40


def captioned(folder: Path) -> Path:
    """The example photos as an imagefolder."""
    import json
    import shutil

    folder.mkdir()
    lines = []
    for number, photo in enumerate(sorted(PHOTOS.glob("*.jpg"))):
        shutil.copy(photo, folder)
        lines.append(json.dumps({"file_name": photo.name, "text": [f"A portrait, number {number}.", "A person."]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def main() -> None:
    """Train twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=180.0, help="seconds between kills, on average")
    given = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as room:
        work = Path(room)
        photos, base = captioned(work / "photos"), tiny_sd.write_pipeline(work / "base")
        forks = sd_training.Forks()

        def arguments(out: str, steps: int) -> list[str]:
            return sd_training.command(base, photos, work / out, steps=steps, checkpoint_every=25, prompts=[])

        forks.run(arguments("try", 1), work / "log")
        began = time.monotonic()
        forks.run(arguments("try", 1 + TRY_STEPS), work / "log")
        pace = (time.monotonic() - began) / TRY_STEPS
        steps = max(TRY_STEPS, int(given.minutes * 60 / pace))
        print(f"{steps} steps of about {pace:.2f} s", flush=True)
        kills, code = 0, None
        while code is None:
            number = forks.start(arguments("killed", steps), work / "log")
            code = forks.wait(number, given.every * random.uniform(0.2, 1.8))
            if code is None:
                os.kill(number, signal.SIGKILL)
                forks.wait(number)
                kills += 1
        print(f"killed {kills} times, then exit {code}", flush=True)
        print(f"left alone: exit {forks.run(arguments('calm', steps), work / 'log')}", flush=True)
        forks.close()
        print(f"largest difference: {sd_training.largest_difference(work / 'killed', work / 'calm'):.1e}")


if __name__ == "__main__":
    main()
