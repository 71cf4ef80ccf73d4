from .names import path_of as path_of, uri_of as uri_of
from .registry import (
    Sources as Sources,
    current as current,
    iter_photos as iter_photos,
    known as known,
    list_photos as list_photos,
    listing_stamp as listing_stamp,
    open as open,  # noqa: A004  sources.open, as in webbrowser.open
    scheme_of as scheme_of,
    use_sources as use_sources,
)
