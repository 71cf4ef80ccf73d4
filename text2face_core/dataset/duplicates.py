"""Photos that a data set leaves out because an earlier photo of the run is the same or looks the same."""

from __future__ import annotations

import logging
from typing import Literal

from ..images import Lookalikes
from ..run import RunDirectory, columns_of, read_columns
from .crops import DatasetSettings

log = logging.getLogger(__name__)

COLUMNS = ["photo_id", "status", "content", "look"]


def find_duplicates(run: RunDirectory, which: Literal["keep", "exact", "near"] | None = None) -> dict[str, str]:
    """By the id of each accepted photo that is a copy, the id of the photo that stays: the first in the run's order.

    which: as `dataset.duplicates`; by default the run's own setting. Photos that were analysed by a release that kept
    no digests are never copies.
    """
    settings = DatasetSettings.model_validate(run.settings.get("recipe", {}).get("dataset", {}))
    which = which or settings.duplicates
    if which == "keep":
        return {}
    contents: dict[str, str] = {}
    lookalikes, found = Lookalikes(), dict[str, str]()
    for about in run.listing.chunks():
        chunk = about.number
        gone = {photo.photo_id for photo in run.listing.of(chunk) if photo.gone} if about.gone else ()
        path = run.analysis_path(chunk)
        if not path.is_file() or "look" not in columns_of(path):
            continue
        for row in read_columns(path, COLUMNS):
            photo_id, content, look = row["photo_id"], row["content"], row["look"]
            if row["status"] != "ok" or photo_id in gone:
                continue
            first = contents.setdefault(content, photo_id) if content else photo_id
            if first == photo_id and which == "near" and look:
                first = lookalikes.add(photo_id, look) or photo_id
            if first != photo_id:
                found[photo_id] = first
    return found


def report_duplicates(run: RunDirectory, found: dict[str, str]) -> None:
    """Say how many photos are left out."""
    if found:
        text = "%d photos of %s are copies of others and left out (dataset.duplicates)"
        log.warning(text, len(found), run.path)
