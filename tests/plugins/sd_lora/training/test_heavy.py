"""The real Stable Diffusion 2.1, with random weights, takes a training step on this machine."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import pytest
from support import tiny_sd
from support.paths import ROOT
from support.sd_training import command, steps_of, weights

ROOM = 20 * 2**30


def random_model(make):
    """A model in bfloat16, filled in seconds: initialising 1.3 billion weights as usual takes minutes on one core."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("meta"):
            model = make()
    finally:
        torch.set_default_dtype(before)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, one in model.named_parameters():
            if one.dim() > 1:
                one.copy_(torch.randn(one.numel() // len(one)).mul_(0.02).view_as(one[0]).expand_as(one))
            else:
                one.fill_(1.0 if name.endswith("weight") else 0.0)
    return model


@pytest.mark.heavy
def test_the_real_architecture_takes_a_step_in_bfloat16_within_20_gib(photos16, tmp_path):
    shape = tiny_sd.SD21
    parts = {
        "unet": random_model(lambda: tiny_sd.unet(shape)),
        "text_encoder": random_model(lambda: tiny_sd.text_encoder(shape, 49408)),
        "vae": random_model(lambda: tiny_sd.vae(shape)),
    }
    base = tiny_sd.write_pipeline(tmp_path / "base", parts=parts)
    del parts
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    options = {"steps": 2, "batch_size": 1, "resolution": 256, "dtype": "bfloat16"}
    arguments = command(base, photos16, tmp_path / "out", **options)
    done = subprocess.run(
        [sys.executable, "-m", "text2face_core", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(base)  # pytest would keep its 2.6 GB for three sessions
    assert done.returncode == 0, done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    seconds = steps_of(tmp_path / "out", "seconds")
    print(f"peak memory {peak / 2**30:.1f} GiB, seconds of each step {list(seconds.values())}")  # noqa: T201
    assert peak < ROOM
    parts = {"unet": 1_659_904, "text_encoder": 1_507_328}
    found = dict.fromkeys(parts, 0)
    for name, one in weights(tmp_path / "out").items():
        found[name.partition(".")[0]] += one.numel()
    assert found == parts
