"""Everything text2face raises on purpose.

Text2FaceError
├── UsageError               what was asked for cannot be done: exit code 2
│   ├── RecipeError          a recipe or an override is wrong
│   ├── SourceError          the photos cannot be listed
│   ├── PluginError          a plugin is unknown, broken or in conflict
│   │   └── MissingExtra     a plugin's packages are not installed
│   ├── ArtifactError        a model file cannot be had or cannot be trusted
│   │   └── LicenceRefused   its licence has not been accepted
│   ├── FuserError           a fuser can answer nobody: its server is down, its key is refused
│   └── RunError             the run directory cannot be read, written or continued
├── NothingToDo              no photo to work on: exit code 3
├── BadPhoto                 one photo cannot be used; becomes the reason in its row, never stops a run
└── DegenerateFace           landmarks that no transform can be fitted to; likewise
"""


class Text2FaceError(Exception):
    """Base of all errors that text2face raises on purpose; its text is meant for the user."""


class UsageError(Text2FaceError):
    """What was asked for cannot be done."""


class RecipeError(UsageError):
    """A recipe file or an override does not say something that can be run."""


class SourceError(UsageError):
    """The photos that were asked for cannot be listed."""


class PluginError(UsageError):
    """A plugin is unknown, fails to import, or conflicts with another."""


class MissingExtra(PluginError):
    """A plugin needs packages that are not installed, or in other versions."""


class ArtifactError(UsageError):
    """A model file cannot be had, or is not the file that was declared."""


class LicenceRefused(ArtifactError):
    """A model file's licence has to be accepted by name before it is fetched."""


class FuserError(UsageError):
    """A fuser can answer no request at all; the run stops, and goes on where it stopped once that is mended."""


class RunError(UsageError):
    """The run directory cannot be read, written or continued."""


class NothingToDo(Text2FaceError):
    """There is no photo to work on."""


class BadPhoto(Text2FaceError):
    """One photo cannot be used; the text is the reason recorded for it."""


class DegenerateFace(Text2FaceError):
    """Landmarks from which no transform can be computed."""
