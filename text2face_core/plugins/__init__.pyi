from .discovery import discover as discover
from .needs import Needs as Needs, needs_of as needs_of, require as require
from .registry import Plugin as Plugin, Plugins as Plugins, Registered as Registered, split_names as split_names
from .scaffold import write_plugin as write_plugin
from .tracing import traced as traced
