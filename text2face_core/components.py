"""How a plugin declares a component: its name, its options, what it needs, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # typing's own has defaults from Python 3.13 on

    from .contracts import FusionRequest
    from .language import Vocabulary
    from .models import Artifact, ModelStore

    OptionsT = TypeVarWithDefault("OptionsT", bound=BaseModel, default=Any)
    RoleT_co = TypeVarWithDefault("RoleT_co", covariant=True, default=Any)
else:
    OptionsT = TypeVar("OptionsT", bound=BaseModel)
    RoleT_co = TypeVar("RoleT_co", covariant=True)

Role = Literal["source", "detector", "filter", "extractor", "fuser", "trainer", "renderer", "metric"]
"""What a component does; each role has its hook in `hookspecs` and its base class in `contracts`."""


class Options(BaseModel):
    """Base class of a component's options: unknown names are refused, so that a misspelt option is not ignored.

    Example:
        >>> from pydantic import Field
        >>> class BlurOptions(Options):
        ...     threshold: float = Field(60.0, ge=0, description="photos with less variance are blurred")
        >>> BlurOptions(threshold=80).threshold
        80.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The device, precision and services that a component computes with.

    Attributes:
        models: The store that provides model files.
        device: "cpu", "cuda", "cuda:1" or "mps".
        dtype: "float32", "bfloat16" or "float16".
        threads: Number of threads that a component may use.
        seed: The run's seed.
        vocabulary: The words for findings, including those of plugins; None for the built-in vocabulary alone.
    """

    models: ModelStore
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class Component(Generic[OptionsT, RoleT_co]):
    """A detector, filter, extractor, … that a plugin offers: how to build it, its options, needs and results.

    Generic over the options and the role, so that a type checker compares `build`, `options`, `needs` and `prompt` with
    each other, and what `build` returns with the hook: `Iterable[Component[BlurOptions, Extractor]]`. A plain
    `Component` is `Component[Any, Any]`.

    Attributes:
        name: The plugin's name, or "plugin.part" if the plugin offers several components.
        build: Called with (options, runtime), returns the detector, filter, …; the only place for heavy imports.
        options: The pydantic model of its options.
        artifacts: Model files that it may need.
        extra: The extra of text2face (or of the plugin's distribution) that installs its packages.
        provides: Names of the findings that it can yield; for a source, the URI schemes that it opens, its
            own first, and endings of files that it takes without a scheme, such as ".tar".
        summary: A short line for listings.
        needs: Called with the options, returns the artifacts that they require. None: always all artifacts.
        needed_extra: Called with the options, returns the extra that they require. None: always `extra`.
        prompt: For a fuser that asks a language model: called with (options, request), returns exactly the prompt that
            the model gets, with the chat format if the fuser itself applies it. Must load nothing heavy. None for a
            fuser that does not ask a model.
        gpu: The GPU that it requires, in words: "28 GB of memory". Empty if a CPU is enough.
        unreachable: Called with the options before a run begins; returns why a server that it needs cannot be used and
            what to do, or "". Must load nothing heavy and take a few seconds at most.
        faces: For a source, settings of a recipe's [faces] that hold for its photos unless the recipe has others.
        lineage: The data sets that its networks were trained on, such as ("CelebA",); `t2f evaluate` says which of
            them a grader shares with the models that labelled the photos.
        decides: Of a finding whose values it can only tell in part, the values that it is sure of: as a grader, it has
            no say in statements of others. {"emotion": ("happiness",)}

    Example:
        >>> class Nothing(Extractor):
        ...     def extract(self, portraits):
        ...         return [[] for _ in portraits]
        >>> Component("nothing", lambda options, runtime: Nothing(), summary="observes nothing").files(Options())
        ()
    """

    name: str
    build: Callable[[OptionsT, Runtime], RoleT_co]
    options: type[OptionsT] = Options  # type: ignore[assignment]  # fits every build that takes plain Options
    artifacts: tuple[Artifact, ...] = ()
    extra: str | None = None
    provides: tuple[str, ...] = ()
    summary: str = ""
    needs: Callable[[OptionsT], Collection[Artifact]] | None = None
    needed_extra: Callable[[OptionsT], str | None] | None = None
    prompt: Callable[[OptionsT, FusionRequest], str] | None = None
    gpu: str = ""
    unreachable: Callable[[OptionsT], str] | None = None
    lineage: tuple[str, ...] = ()
    faces: Mapping[str, Any] = field(default_factory=dict)
    decides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def files(self, options: OptionsT) -> tuple[Artifact, ...]:
        """Return the model files that the component needs with these options."""
        return self.artifacts if self.needs is None else tuple(self.needs(options))

    def extra_for(self, options: OptionsT) -> str | None:
        """Return the extra that the component needs with these options, if any."""
        return self.extra if self.needed_extra is None else self.needed_extra(options)
