"""Fresh environments with real installations, built and installed without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import ROOT

OURS = re.compile(r"_*(editable_*)?(text2face|t2f)|pip\b|.*\.pth$", re.IGNORECASE)


@dataclass(frozen=True)
class Environment:
    """A virtual environment. It sees the packages of the environment that runs the tests, but nothing of text2face."""

    folder: Path

    def run(self, *command: str | Path, cwd: Path | None = None, code: int = 0, **variables: str) -> str:
        """What a program writes to stdout (to stderr where `code` is not 0), run outside the checkout.

        Its exit code has to be `code`.
        """
        program = self.folder / ("Scripts" if os.name == "nt" else "bin") / command[0]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "T2F_"))}
        done = subprocess.run(
            [str(program), *map(str, command[1:])],
            cwd=cwd or self.folder,
            env=kept | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def pip(self, *arguments: str | Path) -> str:
        """Run pip with no index: whatever is needed must be here already."""
        if arguments[0] == "install":
            arguments = ("install", "--no-index", "--no-build-isolation", *arguments[1:])
        return self.run("python", "-m", "pip", "-q", "--disable-pip-version-check", *arguments)


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory):
    """Makes fresh environments."""
    borrowed = tmp_path_factory.mktemp("borrowed")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if not OURS.match(entry.name) and not (borrowed / entry.name).exists():
                (borrowed / entry.name).symlink_to(entry)

    def make(*, pip: bool = True) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        venv.create(folder, with_pip=pip, symlinks=os.name != "nt")
        (site,) = folder.glob("[Ll]ib/**/site-packages")
        (site / "borrowed.pth").write_text(f"{borrowed}\n")
        return Environment(folder)

    return make


@pytest.fixture(scope="session")
def build():
    """Builds the wheel or sdist of a project: build(ROOT, folder, "wheel")."""
    return _build


def _build(source: Path, out: Path, kind: str) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """text2face's wheel."""
    return _build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="session")
def sdist(tmp_path_factory) -> Path:
    """text2face's source distribution."""
    return _build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="session")
def example_wheel(tmp_path_factory) -> Path:
    """The wheel of the example plugin."""
    return _build(ROOT / "examples" / "t2f-eye-colour", tmp_path_factory.mktemp("example"), "wheel")


@pytest.fixture(scope="session")
def installed(make_environment, wheel) -> Environment:
    """An environment with text2face installed from its wheel."""
    environment = make_environment()
    environment.pip("install", wheel)
    return environment
