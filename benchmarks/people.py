"""Age, gender and ethnicity against labels, by group, for `people` and `agegender` side by side.

    python benchmarks/people.py FOLDER [FOLDER ...]              photos and a truth.json
    python benchmarks/people.py --csv kept.csv --photos FAIRFACE   FairFace's labels; see tools/train_people

truth.json: {file: {"age": years, "gender": "female", "race": "White"}}, any of them left out, or CelebA's "Male". Ages
in the csv are FairFace's bands, which count as their middles. Every photo goes through the detector, as in a run.
Shares have 95 % Wilson intervals. "Everything said" means that no gender is held back.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import t2f_agegender
import t2f_people
import t2f_yunet
from PIL import Image

from text2face_core import Extractor, Finding, Photo, Portrait, Runtime
from text2face_core.models import ModelStore

EDGES = (0, 3, 10, 18, 30, 40, 50, 60, 70, 200)
BANDS = {
    "0-2": 1, "3-9": 6, "03-Sep": 6, "10-19": 15, "Oct-19": 15, "20-29": 25, "30-39": 35, "40-49": 45, "50-59": 55,
    "60-69": 65, "more than 70": 76,
}  # fmt: skip
"""FairFace's age bands as years; a spreadsheet has turned two of them into dates in some copies."""
ADULT, OLDER = 18, 50
FEWEST = 30
"""People from which a group of race and gender counts as the worst."""
ETHNICITIES = {
    "White": "white", "Black": "black", "Indian": "indian", "Asian": "asian", "East Asian": "asian",
    "Southeast Asian": "asian", "Middle Eastern": "middle_eastern", "Latino_Hispanic": "latino_hispanic",
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One labelled photo, and what each extractor found on it."""

    age: float | None
    gender: str | None
    race: str | None
    found: dict[str, dict[str, Finding]]

    def right(self, who: str, name: str = "gender") -> bool:
        """Whether the extractor's finding is the label."""
        truth = self.gender if name == "gender" else ETHNICITIES.get(str(self.race))
        return name in self.found[who] and self.found[who][name].value == truth

    def error(self, who: str) -> float:
        """Years by which the age is too high."""
        return float(self.found[who]["age"].value) - float(self.age or 0)


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share.

    >>> [round(end, 3) for end in wilson(45, 50)]
    [0.786, 0.957]
    """
    z = 1.959964
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def share_of(hits: Sequence[bool]) -> str:
    """A share in percent with its interval and count."""
    if not hits:
        return "–"
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def years_of(errors: Sequence[float]) -> str:
    """Mean error and its 95 % interval, and the bias."""
    if not errors:
        return "–"
    sizes = np.abs(errors)
    half = 1.96 * sizes.std(ddof=1) / math.sqrt(len(sizes)) if len(sizes) > 1 else math.inf
    return f"{sizes.mean():.1f} ± {half:.1f} ({np.mean(errors):+.1f})"


def labelled(folder: Path) -> list[tuple[Path, float | None, str | None, str | None]]:
    """Photo, age, gender, race of each entry of a folder's truth.json."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    rows = []
    for name, known in truth.items():
        gender = known.get("gender")
        if "Male" in known:
            gender = "male" if known["Male"] else "female"
        rows.append((folder / name, known.get("age"), gender, known.get("race")))
    return rows


def listed(table: Path, photos: Path) -> list[tuple[Path, float | None, str | None, str | None]]:
    """The same of a csv with FairFace's columns."""
    with table.open(newline="", encoding="utf-8") as lines:
        return [
            (photos / row["file"], float(BANDS[row["age"]]), row["gender"].lower(), row["race"])
            for row in csv.DictReader(lines)
        ]


class Tools:
    """The detector and the extractors, each with nothing held back."""

    def __init__(self, names: Sequence[str]) -> None:
        cv2.setNumThreads(1)
        runtime = Runtime(ModelStore())
        self.detector = t2f_yunet.build(t2f_yunet.YuNetOptions(), runtime)
        everything = {"gender_score": 0.5, "gender_from_age": 0}
        makers: dict[str, Callable[[], Extractor]] = {
            "people": lambda: t2f_people.build(
                t2f_people.PeopleOptions(**everything, ethnicity=True, ethnicity_score=0), runtime
            ),
            "agegender": lambda: t2f_agegender.build(t2f_agegender.AgeGenderOptions(**everything), runtime),
        }
        self.extractors = {name: makers[name]() for name in names}
        self.seconds = dict.fromkeys(self.extractors, 0.0)

    def find(self, path: Path) -> dict[str, dict[str, Finding]] | None:
        """What each extractor finds; None where the detector finds no face. The most central one counts."""
        pixels = np.asarray(Image.open(path).convert("RGB"))
        middle = np.array(pixels.shape[1::-1]) / 2
        faces = sorted(
            self.detector.detect([pixels])[0],
            key=lambda face: float(np.linalg.norm(face.landmarks.mean(axis=0) - middle)),
        )
        if not faces:
            return None
        portrait = Portrait(Photo(path.name, str(path), pixels), faces[0])
        found = {}
        for name, extractor in self.extractors.items():
            start = time.process_time()
            found[name] = {finding.name: finding for finding in extractor.extract([portrait])[0]}
            self.seconds[name] += time.process_time() - start
        return found


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n### {title}\n")
    head = list(head)
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


Group = tuple[str, Callable[[Person], bool]]


def band_groups() -> list[Group]:
    """Of age bands; the last reaches to the oldest."""

    def between(low: int, high: int) -> Callable[[Person], bool]:
        return lambda p: p.age is not None and low <= p.age < high

    return [
        (f"{low}-{high - 1}" if high < EDGES[-1] else f"{low}+", between(low, high))
        for low, high in itertools.pairwise(EDGES)
    ]


def is_adult(person: Person) -> bool:
    """Of age, or of an age that is not known."""
    return person.age is None or person.age >= ADULT


def adult_groups(people: Sequence[Person]) -> list[Group]:
    """Of adults: all, by gender, older ones, by race and gender."""

    def of(gender: str, race: str | None = None, low: int = ADULT) -> Callable[[Person], bool]:
        return lambda p: (
            is_adult(p) and (p.age is None or p.age >= low) and p.gender == gender and race in (None, p.race)
        )

    groups: list[Group] = [("adults", is_adult), ("women", of("female")), ("men", of("male"))]
    if any(person.age is not None for person in people):
        groups += [(f"{who} {OLDER}+", of(gender, low=OLDER)) for who, gender in (("women", "female"), ("men", "male"))]
    for race in sorted({person.race for person in people if person.race}):
        groups += [(f"{race}, {who}", of(gender, race)) for who, gender in (("women", "female"), ("men", "male"))]
    return groups


def report_gender(people: Sequence[Person], names: Sequence[str]) -> None:
    """Right, in percent, by group, with everything said; and of the surest nine tenths of adults."""
    groups = adult_groups(people)
    if any(person.age is not None for person in people):
        groups += [(f"aged {name}", within) for name, within in band_groups()]
    rows, worst = [], dict.fromkeys(names, ("", 1.0))
    for name, within in groups:
        members = [person for person in people if person.gender and within(person)]
        if not members:
            continue
        hits = {who: [person.right(who) for person in members] for who in names}
        rows.append([name, str(len(members)), *(share_of(hits[who]) for who in names)])
        if "," in name and len(members) >= FEWEST:
            worst = {who: min(worst[who], (name, float(np.mean(hits[who]))), key=lambda w: w[1]) for who in names}
    if any(name for name, _ in worst.values()):
        rows.append(["worst race and gender", "", *(f"{100 * worst[who][1]:.1f} ({worst[who][0]})" for who in names)])
    adults = [person for person in people if person.gender and is_adult(person)]
    surest = {
        who: sorted(adults, key=lambda person: -person.found[who]["gender"].score)[: round(0.9 * len(adults))]
        for who in names
    }
    rows.append(
        ["adults, the surest 90 %", str(round(0.9 * len(adults)))]
        + [share_of([person.right(who) for person in surest[who]]) for who in names]
    )
    table("Gender, % right, everything said", ["group", "n", *names], rows)
    report_scores("Gender: what scores mean, adults", adults, names, "gender", lambda p, who: p.right(who))


def report_scores(
    title: str, people: Sequence[Person], names: Sequence[str], name: str, holds: Callable[[Person, str], bool]
) -> None:
    """How often findings hold, by score, and the expected calibration error."""
    steps = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01)
    rows = []
    far = dict.fromkeys(names, 0.0)
    for low, high in itertools.pairwise(steps):
        row = [f"{low:.2f} – {min(high, 1):.2f}"]
        for who in names:
            there = [p for p in people if name in p.found[who] and low <= p.found[who][name].score < high]
            row.append(f"{share_of([holds(p, who) for p in there])} of {len(there)}" if there else "–")
            if there:
                gap = np.mean([p.found[who][name].score - holds(p, who) for p in there])
                far[who] += abs(float(gap)) * len(there) / len(people)
        rows.append(row)
    rows.append(["expected calibration error", *(f"{far[who]:.3f}" for who in names)])
    table(title, ["score", *names], [row for row in rows if set(row[1:]) != {"–"}])


def report_age(people: Sequence[Person], names: Sequence[str], *, exact: bool) -> None:
    """Mean error and bias by band, and by race of adults; where ages are known in years, what scores mean."""
    people = [person for person in people if person.age is not None]
    groups: list[Group] = [("all", lambda _: True), *band_groups(), ("60+ together", lambda p: float(p.age or 0) >= 60)]
    groups += adult_groups(people)
    rows = []
    for name, within in groups:
        members = [person for person in people if within(person)]
        if members:
            rows.append([name, str(len(members)), *(years_of([p.error(who) for p in members]) for who in names)])
    table("Age: mean error in years ± 95 % (bias)", ["group", "n", *names], rows)
    if exact:
        report_scores("Age: within five years, by score", people, names, "age", lambda p, who: abs(p.error(who)) <= 5.5)


def report_ethnicity(people: Sequence[Person]) -> None:
    """Share of each group that gets its word, in the words that captions know."""
    people = [person for person in people if person.race in ETHNICITIES]
    rows = [["all", str(len(people)), share_of([p.right("people", "ethnicity") for p in people])]]
    for race in sorted({str(person.race) for person in people}):
        members = [person for person in people if person.race == race]
        rows.append([race, str(len(members)), share_of([p.right("people", "ethnicity") for p in members])])
    table("Ethnicity (opt-in), % right, everything said, six words", ["group", "n", "people"], rows)
    report_scores("Ethnicity: what scores mean", people, ["people"], "ethnicity", lambda p, w: p.right(w, "ethnicity"))


def report(
    title: str,
    rows: Sequence[tuple[Path, float | None, str | None, str | None]],
    names: Sequence[str],
    *,
    exact: bool,
) -> None:
    """Every table of one set."""
    tools, people, missed = Tools(names), [], 0
    for path, age, gender, race in rows:
        found = tools.find(path)
        if found is None:
            missed += 1
        else:
            people.append(Person(age, gender, race, found))
    print(f"\n## {title}\n\n{len(people)} photos; {missed} without a face that the detector finds.")
    print(
        "CPU time a face, one at a time: "
        + ", ".join(f"{w} {1e3 * s / len(people):.1f} ms" for w, s in tools.seconds.items())
    )
    if any(person.gender for person in people):
        report_gender(people, names)
    if any(person.age is not None for person in people):
        report_age(people, names, exact=exact)
    if "people" in names and any(person.race in ETHNICITIES for person in people):
        report_ethnicity(people)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="folders of photos, each with a truth.json")
    both = ("people", "agegender")
    parser.add_argument(
        "--extractors", nargs="+", choices=both, default=both, help="which to measure; both unless given"
    )
    parser.add_argument("--csv", type=Path, help="labels with FairFace's columns: file, age, gender, race")
    parser.add_argument("--photos", type=Path, help="the folder that the csv's files are relative to")
    given = parser.parse_args()
    if given.csv:
        if given.photos is None:
            parser.error("--csv needs --photos, the folder that its files are relative to")
        report(given.csv.stem, listed(given.csv, given.photos), given.extractors, exact=False)
    for folder in given.folders:
        report(folder.name, labelled(folder), given.extractors, exact=True)
    if not (given.csv or given.folders):
        parser.error("nothing to measure: give a folder with a truth.json, or --csv and --photos")


if __name__ == "__main__":
    main()
