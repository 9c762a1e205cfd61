"""Where models run: whether a GPU that was asked for can be used, and what to do where it cannot."""

import logging
from functools import cache
from pathlib import Path

_log = logging.getLogger(__name__)
_INSTEAD = "or set TENKYO_DEVICE to cpu"


def missing_gpu(device: str) -> str | None:
    """What is wrong with a device named cuda or cuda:N, and what to do; None if it can be used, or is no GPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built without CUDA: install a build with it, {_INSTEAD}"
    if not torch.cuda.is_available():
        return (
            f"torch finds no GPU: `nvidia-smi` has to show one, with a driver for CUDA {torch.version.cuda} "
            f"(a container needs `--gpus all`); mend that, {_INSTEAD}"
        )
    count = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= count:
        return f"there is no {device}, the last GPU is cuda:{count - 1}: name one that is there, {_INSTEAD}"
    return None


@cache
def has_gpu() -> bool:
    """Whether `auto` means a GPU. Asks torch only where the driver shows a device: importing it takes seconds."""
    nvidia = any(Path("/dev").glob("nvidia[0-9]*"))
    if not nvidia and not Path("/dev/dxg").exists():
        return False
    import torch

    if torch.cuda.is_available():
        return True
    if nvidia:
        _log.warning("the processor runs the models, though there is a GPU: %s", missing_gpu("cuda"))
    return False
