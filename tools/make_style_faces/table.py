"""Write a captioned run of synthetic portraits as a table of styles, findings and captions.

python -m tools.make_style_faces.table RUN --out examples/style-faces
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from text2face_core import RunDirectory
from text2face_core.dataset import read_latent
from text2face_core.sources import path_of

ROWS_PER_FILE = 8000
HELD_OUT = 12
"""One face in this many is left out; its caption is a prompt to measure with."""
TEXT = pa.string()
FINDING = pa.struct([("name", TEXT), ("value", TEXT), ("score", pa.float32()), ("source", TEXT)])


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = collect_rows(given.run)
    given.out.mkdir(parents=True, exist_ok=True)
    kept = [row for row in rows if not is_held_out(row["photo_id"])]
    for number, start in enumerate(range(0, len(kept), ROWS_PER_FILE)):
        write_table(given.out / f"faces-{number:02d}.parquet", kept[start : start + ROWS_PER_FILE])
    prompts = write_prompts(given.out / "prompts.jsonl", [row for row in rows if is_held_out(row["photo_id"])])
    print(f"{len(kept)} faces, {prompts} prompts")


def collect_rows(run: Path) -> list[dict[str, Any]]:
    """Accepted and captioned portraits, by name."""
    rows = []
    for row, captioned in RunDirectory.open(run).rows():
        path = path_of(row.uri)
        if row.status != "ok" or not captioned.captions or (latent := read_latent(path)) is None:
            continue
        findings = [
            {"name": one.name, "value": json.dumps(one.value), "score": round(one.score, 3), "source": one.source}
            for one in row.findings
        ]
        rows.append(
            {
                "photo_id": path.stem,
                "latent": latent.astype(np.float16),
                "text": [one.text for one in captioned.captions],
                "style": [one.style for one in captioned.captions],
                "findings": findings,
            }
        )
    return sorted(rows, key=lambda row: str(row["photo_id"]))


def is_held_out(name: str) -> bool:
    """By a hash of the name, so that more faces change nothing."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=2).digest(), "big") % HELD_OUT == 0


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """A parquet file that `t2f train` reads."""
    latents = np.stack([row["latent"] for row in rows])
    table = pa.table(
        {
            "photo_id": [row["photo_id"] for row in rows],
            "latent": pa.FixedSizeListArray.from_arrays(pa.array(latents.reshape(-1)), latents.shape[1]),
            "text": pa.array([row["text"] for row in rows], pa.list_(TEXT)),
            "style": pa.array([row["style"] for row in rows], pa.list_(TEXT)),
            "findings": pa.array([row["findings"] for row in rows], pa.list_(FINDING)),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=1000)


def write_prompts(path: Path, rows: list[dict[str, Any]]) -> int:
    """One of the two longest captions of each face, in random order."""
    random_ = random.Random(5)
    lines = [
        {"prompt": random_.choice(sorted(row["text"], key=len)[-2:]), "file_name": row["photo_id"]} for row in rows
    ]
    random_.shuffle(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    main()
