"""Distributions that are installed as far as entry points go."""

from pathlib import Path


def add_distribution(site: Path, name: str, entry: str, version: str = "1.0") -> None:
    """Write the metadata of a distribution with a plugin into a folder that is, or will be, on the path.

    entry: as in entry_points.txt, "toy = support.toys".
    """
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[text2face]\n{entry}\n")
