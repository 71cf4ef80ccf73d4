from .checks import (
    BrokenContract as BrokenContract,
    check_faces as check_faces,
    check_findings as check_findings,
    check_rejection as check_rejection,
    check_texts as check_texts,
    clean as clean,
)
from .conformance import (
    check_detector as check_detector,
    check_extractor as check_extractor,
    check_filter as check_filter,
    check_fuser as check_fuser,
)
from .discovery import discover as discover
from .needs import Needs as Needs, needs_of as needs_of, require as require
from .registry import Plugin as Plugin, Plugins as Plugins, Registered as Registered, split_names as split_names
from .scaffold import write_plugin as write_plugin
from .tracing import traced as traced
