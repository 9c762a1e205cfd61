"""`tenkyo serve`: gunicorn with one process and many threads, so that there is one model and one opened index."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker

_GRACE_SECONDS = 30
LOAD_FAILED = 4  # a worker that ends so is not started again: gunicorn.arbiter.Arbiter.APP_LOAD_ERROR


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, load_app: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._load_app = load_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._load_app()


def _leave_at_once(_number: int, _frame: FrameType | None) -> None:
    """Ctrl-C. gunicorn's own handler takes the lock of the thread pool, which the interrupted thread may hold: a hang.

    Nothing is lost but the answers in the making: what is stored is stored in transactions.
    """
    os._exit(0)


def _mend_signals(_worker: Worker) -> None:
    signal.signal(signal.SIGINT, _leave_at_once)
    signal.signal(signal.SIGQUIT, _leave_at_once)


def serve(load_app: Callable[[], Flask], host: str, port: int, threads: int) -> None:
    """Serves until stopped. `load_app` runs in the worker process: torch does not survive a fork."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = {
        "bind": address,
        "workers": 1,
        "threads": threads,
        "worker_class": "gthread",
        "graceful_timeout": _GRACE_SECONDS,
        "timeout": 0,  # a worker that loads a large model is not dead
        "post_worker_init": _mend_signals,
        "loglevel": "warning",
        "proc_name": "tenkyo",
        "control_socket_disable": True,
    }
    _Server(load_app, options).run()
