"""Errors that text2face raises on purpose.

Text2FaceError
├── UsageError               the request cannot be fulfilled: exit code 2
│   ├── RecipeError          a recipe or an override is wrong
│   ├── SourceError          the photos cannot be listed
│   ├── PluginError          a plugin is unknown, broken or in conflict
│   │   └── MissingExtra     a plugin's packages are not installed
│   ├── ArtifactError        a model file is not available or cannot be trusted
│   │   └── LicenceRefused   its licence has not been accepted
│   ├── UntrustedError       a run or recipe file reaches out and was not allowed to
│   ├── FuserError           a fuser cannot answer any request: its server is down, its key is refused
│   └── RunError             the run directory cannot be read, written or continued
│       └── DamagedFile      a file in it does not hold what was written
│           └── DamagedTable likewise, and the file is a table
├── NothingToDo              no photo to work on: exit code 3
├── BadPhoto                 a photo cannot be used; becomes the reason in its row, never stops a run
└── DegenerateFace           landmarks to which no transform can be fitted; likewise
"""


class Text2FaceError(Exception):
    """Base class of all errors that text2face raises on purpose; the text is for the user."""


class UsageError(Text2FaceError):
    """The request cannot be fulfilled as written."""


class RecipeError(UsageError):
    """A recipe file or an override is not valid."""


class SourceError(UsageError):
    """The photos cannot be listed."""


class PluginError(UsageError):
    """A plugin is unknown, fails to import, or conflicts with another."""


class MissingExtra(PluginError):
    """A plugin needs packages that are missing or installed in unsuitable versions."""


class ArtifactError(UsageError):
    """A model file is not available, or is not the file that was declared."""


class LicenceRefused(ArtifactError):
    """A model file's licence must be accepted by name before the file is fetched."""


class UntrustedError(UsageError):
    """A run or recipe file wants to reach something outside, and the user has not allowed that."""


class FuserError(UsageError):
    """A fuser cannot answer any request; the run stops, and resumes with the same command once that is fixed."""


class RunError(UsageError):
    """The run directory cannot be read, written or continued."""


class DamagedFile(RunError):
    """A file of a run does not hold what was written into it."""


class DamagedTable(DamagedFile):
    """A table of a run does not hold what was written into it."""


class NothingToDo(Text2FaceError):
    """No photo is left to work on."""


class BadPhoto(Text2FaceError):
    """A photo cannot be used; the text is the reason recorded for it."""


class DegenerateFace(Text2FaceError):
    """Landmarks to which no transform can be fitted."""
