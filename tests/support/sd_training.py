"""Short trainings for tests: a few steps on a few photos, and what came of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.paths import ROOT

SHORT = {
    "steps": 6,
    "batch_size": 2,
    "resolution": 64,
    "learning_rate": 1e-3,
    "text_learning_rate": 1e-3,
    "held_out": 0,
    "prompts": (),
    "inference_steps": 2,
    "tensorboard": False,
}
"""Options that take a second."""


class Told:
    """A progress that remembers what it was told, and calls `on_step` with each number of steps that are done."""

    def __init__(self, on_step: Callable[[int], None] | None = None) -> None:
        self.said: list[str] = []
        self.images = 0
        self._on_step = on_step
        self._steps = 0

    def start(self, what: str, total: int, done: int = 0) -> None:
        self._training = what.startswith("training")
        self.images = done

    def advance(self, count: int, **counts: int) -> None:
        if self._training:
            self.images += count
            self._steps += 1
            if self._on_step:
                self._on_step(self._steps)

    def say(self, message: str) -> None:
        self.said.append(message)

    def finish(self) -> None:
        pass


def train(
    base: Path, photos: Path, out: Path, progress: Any = None, dtype: str = "float32", seed: int = 0, **options: Any
) -> Any:
    """Train in this process with SHORT and these options."""
    from t2f_sd_lora import SdLoraOptions, build

    from text2face_core import Runtime
    from text2face_core.dataset import open_dataset
    from text2face_core.models.store import ModelStore

    given = SdLoraOptions(**{**SHORT, "base": str(base), **options})
    runtime = Runtime(ModelStore(out / "store", offline=True), dtype=dtype, seed=seed)
    return build(given, runtime).train(open_dataset(photos), out, progress or Told())


def steps_of(out: Path, figure: str = "loss") -> dict[int, float]:
    """A figure of train.jsonl by step."""
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    found = [(line["step"], line[figure]) for line in lines if figure in line]
    assert len(found) == len({step for step, _ in found}), "a step stands twice"
    return dict(found)


def weights(out: Path) -> dict[str, Any]:
    """What the LoRA file for diffusers holds."""
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(out / "pytorch_lora_weights.safetensors")
    return found


def largest_difference(one: Path, other: Path) -> float:
    """Between the weights of two trainings."""
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def command(base: Path, photos: Path, out: Path, **options: Any) -> list[str]:
    """Arguments of `t2f` for the same."""
    given = {**SHORT, **options}
    settings = [f"--set=sd_lora.{name}={json.dumps(value)}" for name, value in given.items() if name not in _FLAGS]
    flags = [f"--{name.replace('_', '-')}={given[name]}" for name in _FLAGS if name in given]
    where = [str(photos), f"--out={out}", f"--base={base}", "--device=cpu", "--threads=1", "--offline"]
    return ["train", *where, *flags, *settings]


_FLAGS = ("steps", "batch_size", "resolution", "seed", "dtype")


class Forks:
    """A process that has imported everything, and makes copies of itself that run `t2f`: a new one would take 10 s."""

    def __init__(self) -> None:
        path = os.pathsep.join(
            [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        )
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        )

    def start(self, arguments: Sequence[str], log: Path, **environment: str) -> int:
        """Begin; returns the process's id."""
        return int(self._ask({"arguments": list(arguments), "log": str(log), "environment": environment}))

    def wait(self, number: int, seconds: float | None = None) -> int | None:
        """Its exit code, negative where a signal ended it; None where it still runs after so many seconds."""
        return self._ask({"wait": number, "seconds": seconds})

    def run(self, arguments: Sequence[str], log: Path, **environment: str) -> int | None:
        """Both."""
        return self.wait(self.start(arguments, log, **environment))

    def close(self) -> None:
        with self._process:  # closes its input, at which it ends
            pass

    def _ask(self, what: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    import time

    import torch
    import torch.distributed
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel  # noqa: F401
    from t2f_sd_lora.training import trainer  # noqa: F401
    from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401

    from text2face_core.cli import main

    torch.set_num_threads(1)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            until = time.monotonic() + (asked["seconds"] or 1e9)
            answer = None
            while answer is None and time.monotonic() < until:
                number, status = os.waitpid(asked["wait"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if number else time.sleep(0.01)
        else:
            answer = os.fork()
            if not answer:
                with Path(asked["log"]).open("ab") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                os.environ.update(asked["environment"])
                code = main(asked["arguments"])
                sys.stdout.flush()
                os._exit(code)
        print(json.dumps(answer), flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    _serve()
