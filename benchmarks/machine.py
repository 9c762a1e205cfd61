"""The machine that a figure was measured on, in words."""

import platform
from pathlib import Path


def describe_processor() -> str:
    """Number of cores and the model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} cores of {models[0]}" if models else platform.processor()
