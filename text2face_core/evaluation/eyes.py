"""Same eyes or other eyes: whether a grader is independent of the models that labelled the training photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .records import Eyes, Grader

if TYPE_CHECKING:
    from ..recipe import Part


@dataclass(frozen=True, slots=True)
class Labellers:
    """What labelled the training photos, from the run.toml of labelling runs.

    Attributes:
        known: Whether any run is known.
        hashes: sha256 of all model files of its extractors.
        bare: Names of extractors without model files: rules, or weights that ship inside the plugin.
        lineage: Data sets that its networks were trained on.
    """

    known: bool = False
    hashes: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    lineage: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Sequence[Mapping[str, Any]], lineages: Mapping[str, Sequence[str]]) -> Labellers:
        """From the settings (run.toml) of labelling runs. lineages: what installed components declare, by name."""
        parts = [part for one in settings for part in one.get("plugin", ()) if part.get("kind") == "extractor"]
        hashes = {sha for part in parts for sha in part.get("artifacts", {}).values() if sha}
        bare = {part["name"] for part in parts if not any(part.get("artifacts", {}).values())}
        lineage = {data for part in parts for data in lineages.get(part["name"], ())}
        return cls(bool(settings), frozenset(hashes), frozenset(bare), frozenset(lineage))

    def eyes_of(self, name: str, hashes: Collection[str]) -> Eyes:
        """Whether a component with these model files is among the labellers."""
        if not self.known:
            return "unknown"
        if any(hashes):
            return "same" if self.hashes & {one for one in hashes if one} else "other"
        return "same" if name in self.bare else "other"


def describe_grader(part: Part, labellers: Labellers, names: Mapping[str, str]) -> Grader:
    """The grader that a part of the recipe is. names: canonical names of findings that have another name."""
    component = part.registered.component
    files = component.files(part.options)
    artifacts = {one.name: one.sha256 or "" for one in files}
    provides = dict.fromkeys(name for one in component.provides for name in (one, names.get(one, one)))
    return Grader(
        component.name,
        tuple(provides),
        labellers.eyes_of(component.name, artifacts.values()),
        artifacts,
        component.lineage,
        tuple(sorted(labellers.lineage & set(component.lineage))),
        tuple(dict.fromkeys(one.licence for one in files)),
        decides=component.decides,
    )
