"""A torch module and its export say the same, whatever the batch, the process or the folder."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from text2face_core.contracts import Runtime
from text2face_core.models.inference import BATCH, Free, network, session
from text2face_core.models.store import ModelStore


@pytest.fixture
def torch():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch")


def small_net(torch: Any, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 5),
    )


def runtime(folder: Path, **fields: Any) -> Runtime:
    return Runtime(ModelStore(folder, offline=True), **fields)


def images(count: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(count).random((count, 3, side, side), np.float32)


def exports(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("onnx/*/model.onnx"))


@pytest.mark.parametrize("count", [1, 3, 8, 19])
def test_an_export_gives_what_the_module_gives_for_any_batch(torch, tmp_path, count):
    shapes = [(BATCH, 3, 16, 16)]
    run = network(small_net(torch), shapes, runtime(tmp_path), key="small 1")
    assert run.engine == "onnx"
    with torch.inference_mode():
        wanted = small_net(torch).eval()(torch.from_numpy(images(count))).numpy()
    (found,) = run(images(count))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_other_axes_may_be_free(torch, tmp_path):
    run = network(small_net(torch), [(BATCH, 3, Free(32), Free(64))], runtime(tmp_path), key="small 1")
    assert run.engine == "onnx"
    wide = np.random.default_rng(0).random((2, 3, 20, 41), np.float32)
    with torch.inference_mode():
        wanted = small_net(torch).eval()(torch.from_numpy(wide)).numpy()
    np.testing.assert_allclose(run(wide)[0], wanted, atol=1e-5)


def test_several_inputs_and_outputs_keep_their_order(torch, tmp_path):
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor([2.0]))

        def forward(self, a: Any, b: Any) -> Any:
            return a * self.scale, a.sum(dim=1) - b.sum(dim=1)

    a, b = np.ones((3, 4), np.float32), np.full((3, 2), 5, np.float32)
    run = network(Both(), [(BATCH, 4), (BATCH, 2)], runtime(tmp_path), key="both 1", outputs=("twice", "less"), batch=2)
    twice, less = run(a, b)
    assert (twice == 2).all()
    assert less.tolist() == [-6, -6, -6]


@pytest.mark.filterwarnings("ignore:`torch.jit")  # its files are still around
def test_a_script_module_is_exported_too(torch, tmp_path):
    script = torch.jit.trace(small_net(torch).eval(), torch.rand(2, 3, 16, 16))
    run = network(script, [(BATCH, 3, 16, 16)], runtime(tmp_path), key="script 1")
    assert run.engine == "onnx"
    with torch.inference_mode():
        wanted = small_net(torch).eval()(torch.from_numpy(images(5))).numpy()
    np.testing.assert_allclose(run(images(5))[0], wanted, atol=1e-5)


@pytest.mark.nightly
def test_an_export_is_made_once_for_the_same_weights(torch, tmp_path):
    shapes = [(BATCH, 3, 16, 16)]
    network(small_net(torch), shapes, runtime(tmp_path), key="small 1")
    (first,) = tmp_path.glob("onnx/*/model.onnx")
    made = first.stat().st_mtime_ns
    network(small_net(torch), shapes, runtime(tmp_path), key="small 1")
    assert first.stat().st_mtime_ns == made
    network(small_net(torch, seed=1), shapes, runtime(tmp_path), key="small 1")
    network(small_net(torch), shapes, runtime(tmp_path), key="small 2")
    assert len(exports(tmp_path)) == 3


def test_an_export_that_differs_from_its_module_is_not_used(torch, tmp_path, monkeypatch, caplog):
    written = torch.onnx.export

    def export_another(module: Any, *args: Any, **fields: Any) -> Any:
        return written(small_net(torch, seed=1).eval(), *args, **fields)

    monkeypatch.setattr(torch.onnx, "export", export_another)
    with caplog.at_level(logging.WARNING):
        run = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path), key="small 1")
    assert run.engine == "torch"
    assert "away from the module's" in caplog.text
    assert exports(tmp_path) == []
    assert [path for path in (tmp_path / "onnx").iterdir() if path.suffix != ".lock"] == []


@pytest.mark.nightly
def test_what_a_killed_export_left_behind_is_cleared_away(torch, tmp_path):
    shapes = [(BATCH, 3, 16, 16)]
    network(small_net(torch), shapes, runtime(tmp_path), key="small 1")
    (made,) = exports(tmp_path)
    folder = tmp_path / "onnx" / made
    folder.rename(folder.with_name(f".{made}.part"))
    (folder.with_name(f".{made}.part") / "model.onnx").write_bytes(b"cut off")
    assert network(small_net(torch), shapes, runtime(tmp_path), key="small 1").engine == "onnx"
    assert [path.name for path in (tmp_path / "onnx").iterdir() if path.suffix != ".lock"] == [made]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind this user")
def test_a_store_that_cannot_be_written_falls_back_to_torch(torch, tmp_path, caplog):
    tmp_path.chmod(0o500)
    run = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path), key="small 1")
    assert run.engine == "torch"
    assert "cannot be written" in caplog.text


def test_a_store_whose_folder_is_a_file_falls_back_to_torch(torch, tmp_path, caplog):
    (tmp_path / "onnx").write_text("in the way")
    run = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path), key="small 1")
    assert run.engine == "torch"
    assert run(images(2))[0].shape == (2, 5)
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_reduced_precision_runs_in_torch_and_stays_close(torch, tmp_path, dtype):
    run = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path, dtype=dtype), key="small 1")
    assert run.engine == "torch"
    exact = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path), key="small 1")
    (found,) = run(images(3))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact(images(3))[0], atol=0.02)


def export_here(folder: str) -> str:
    import torch

    run = network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(Path(folder)), key="small 1")
    return run.engine


@pytest.mark.nightly
def test_two_processes_may_export_at_once(torch, tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(export_here, [str(tmp_path)] * 2) == ["onnx", "onnx"]
    assert len(exports(tmp_path)) == 1


def test_a_session_on_a_device_that_onnxruntime_cannot_use_runs_on_the_cpu_and_says_so(torch, tmp_path, caplog):
    network(small_net(torch), [(BATCH, 3, 16, 16)], runtime(tmp_path), key="small 1")
    (path,) = tmp_path.glob("onnx/*/model.onnx")
    missing = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
    import onnxruntime

    for device, provider in missing.items():
        if provider not in onnxruntime.get_available_providers():
            caplog.clear()
            assert session(path, 1, device).get_providers() == ["CPUExecutionProvider"]
            assert f"cannot use {device}" in caplog.text


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gpu_gives_what_the_cpu_gives(torch, tmp_path, dtype):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    shapes = [(BATCH, 3, 16, 16)]
    run = network(small_net(torch), shapes, runtime(tmp_path, device="cuda", dtype=dtype), key="small 1")
    exact = network(small_net(torch), shapes, runtime(tmp_path), key="small 1")
    np.testing.assert_allclose(run(images(9))[0], exact(images(9))[0], atol=1e-4 if dtype == "float32" else 0.02)
