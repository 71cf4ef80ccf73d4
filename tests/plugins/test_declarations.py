"""What a plugin declares, it declares without loading anything heavy: lists and `--help` must stay quick."""

import os
import subprocess
import sys

import pytest

from text2face_core import Plugins

HEAVY = {
    "accelerate", "cv2", "deepface", "diffusers", "facexlib", "httpx2", "insightface", "onnx", "onnxruntime",
    "open_clip", "peft", "PIL", "pyarrow", "torch", "transformers", "vllm", "xllamacpp",
}  # fmt: skip
DECLARE = """
import sys
from text2face_core import Plugins
assert Plugins.load(builtin_only=True).components(sys.argv[1])
print(*sys.modules)
"""


@pytest.mark.parametrize("name", Plugins.load(builtin_only=True).names())
def test_declaring_a_plugin_loads_nothing_heavy(name):
    command = [sys.executable, "-c", DECLARE, name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert not HEAVY & {module.partition(".")[0] for module in done.stdout.split()}
