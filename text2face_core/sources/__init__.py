"""Where photos come from: what was asked for -> photos with ids and addresses."""

from .files import Listed, list_photos, path_of, uri_of

__all__ = ["Listed", "list_photos", "path_of", "uri_of"]
