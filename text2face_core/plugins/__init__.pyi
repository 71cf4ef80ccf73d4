from .discovery import discover as discover
from .registry import Plugin as Plugin, Plugins as Plugins, Registered as Registered, split_names as split_names
from .scaffold import write_plugin as write_plugin
from .tracing import traced as traced
