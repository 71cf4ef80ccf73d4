"""Cores that may be used, and devices that exist."""

from __future__ import annotations

import os

import pytest

from text2face_core.errors import UsageError
from text2face_core.utils import check_device, default_threads, hardware


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 2),  # two and a half cores: a third thread would wait most of the time
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "what is this"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),  # version 1
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "0\n"}, 8),
    ],
)
def test_cores_are_limited_by_the_quota_of_the_container(tmp_path, eight_cores, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert hardware.usable_cores(tmp_path) == cores


def test_cores_are_limited_by_affinity(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert hardware.usable_cores(tmp_path) == 2


@pytest.mark.parametrize(("cores", "processes", "threads"), [(1, 1, 1), (8, 1, 8), (8, 3, 2), (2, 8, 1), (192, 1, 16)])
def test_threads_are_shared_between_processes_and_capped(monkeypatch, cores, processes, threads):
    monkeypatch.setattr(hardware, "usable_cores", lambda: cores)
    assert default_threads(processes) == threads


@pytest.mark.parametrize("name", ["tpu", "gpu", "cuda:", "cuda:x", "CUDA", "", "xpu:0"])
def test_a_name_that_is_not_a_device_is_refused(name):
    with pytest.raises(UsageError, match=f"--device {name} .*write cpu, cuda, cuda:1 or mps"):
        check_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_this_machine_lacks_is_refused(name, monkeypatch):
    monkeypatch.setattr(hardware, "_accelerators", lambda kind: 0)
    with pytest.raises(UsageError, match=f"--device {name} was asked for, but .*CPU"):
        check_device(name)


def test_the_number_of_a_device_is_checked(monkeypatch):
    monkeypatch.setattr(hardware, "_accelerators", lambda kind: 2)
    check_device("cuda:1")
    with pytest.raises(UsageError, match="the last one here is cuda:1"):
        check_device("cuda:2")
