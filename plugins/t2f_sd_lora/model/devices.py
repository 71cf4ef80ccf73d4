"""Devices and precisions by the names that users give."""

from __future__ import annotations

import torch

from text2face_core.errors import PluginError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def find_device(name: str) -> torch.device:
    """The device of that name. Raises PluginError when it is not a device, or not available."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise PluginError(f"--device {name} is not a device: write cpu, cuda, cuda:1 or mps") from error
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device.type not in here:
        raise PluginError(f"--device {name} is not supported: write cpu, cuda, cuda:1 or mps")
    if not here[device.type]:
        raise PluginError(f"--device {name}: torch {torch.__version__} finds no such GPU. Use --device cpu")
    if (device.index or 0) >= here[device.type]:
        raise PluginError(f"--device {name}: the last {device.type} device here is number {here[device.type] - 1}")
    return device
