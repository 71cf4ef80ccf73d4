from .files import Listed as Listed, list_photos as list_photos, path_of as path_of, uri_of as uri_of
