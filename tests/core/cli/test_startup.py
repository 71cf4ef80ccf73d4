"""What must stay quick: `t2f --help` and importing the package."""

import subprocess
import sys

import pytest

HEAVY = ("cv2", "onnxruntime", "pyarrow", "torch", "rich", "jinja2", "PIL", "huggingface_hub", "pooch")


def imported_by(code: str) -> set[str]:
    command = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import text2face_core", (*HEAVY, "numpy", "pydantic", "click")),
        ("from text2face_core.cli import cli", (*HEAVY, "numpy", "pydantic", "pluggy")),
        ("from text2face_core import Plugins; Plugins.load().names()", HEAVY),
        (
            "from text2face_core import Plugins; Plugins.load(builtin_only=True).listing()",
            ("cv2", "onnxruntime", "torch"),
        ),
        ("from text2face_core import Extractor, Finding, LandmarkCrop, Portrait, hookimpl", HEAVY),
    ],
)
def test_heavy_packages_stay_out_until_they_are_needed(code, absent):
    assert imported_by(code).isdisjoint(absent)


def test_help_lists_every_verb_without_importing_any():
    code = "import sys\nfrom text2face_core.cli import main\nassert main(['--help']) == 0\n"
    assert imported_by(code).isdisjoint({*HEAVY, "numpy", "pydantic"})
