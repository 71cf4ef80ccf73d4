"""Crop again what is missing: a data set folder, or single crops, that were removed after the run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..errors import BadPhoto, RunError
from ..images import DEFAULT_LIMITS, DecodeLimits, decode_image
from ..records import AnalysisRow, Photo, Portrait
from ..sources import open as open_photo
from .crops import DatasetSettings, has_content, save_crop

if TYPE_CHECKING:
    from ..run import RunDirectory

log = logging.getLogger(__name__)


class CropRestorer:
    """Makes crops of a run that are missing, from the photos, as the run made them. Does nothing if it made none."""

    def __init__(self, run: RunDirectory) -> None:
        recipe: dict[str, Any] = run.settings.get("recipe", {})
        self._run = run
        self._settings = DatasetSettings.model_validate(recipe.get("dataset", {}))
        photos = recipe.get("photos", {})
        pixels, side = photos.get("max_megapixels"), photos.get("min_side")
        self._limits = DecodeLimits(
            max_pixels=int(pixels * 1e6) if pixels else DEFAULT_LIMITS.max_pixels,
            min_side=int(side or DEFAULT_LIMITS.min_side),
        )
        self._made = self._lost = 0

    def has_crop(self, row: AnalysisRow) -> bool:
        """Whether the accepted photo has its crop, if need be after making it."""
        if has_content(self._run.image_path(row)):
            return True
        if not self._settings.enabled or row.status != "ok":
            return False
        made = self._crop(row)
        self._made += made
        self._lost += not made
        return made

    def report(self) -> None:
        """Say what was made, and what could not be."""
        if self._made:
            log.warning("%d missing crops of %s were cut again from the photos", self._made, self._run.path)
        if self._lost:
            text = "%d crops of %s are missing and cannot be cut again, as the photos cannot be read: they are left out"
            log.warning(text, self._lost, self._run.path)

    def _crop(self, row: AnalysisRow) -> bool:
        if row.face is None:
            return False
        try:
            pixels = decode_image(open_photo(row.uri), self._limits)
            portrait = Portrait(Photo(row.photo_id, row.uri, pixels), row.face)
            save_crop(portrait, self._run.image_path(row), self._settings)
        except BadPhoto:
            return False
        except RunError as error:
            log.warning("%s", error)
            return False
        return True
