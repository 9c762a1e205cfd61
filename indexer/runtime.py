"""OpenVINO, imported so that it tells nobody."""

import sys
from typing import Any


def openvino() -> Any:
    """The module, without its telemetry: importing it would send a request to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino as module

    return module
