"""Indexing in a process that can be made to fail: `python -m tests.faults.worker`, with failing_files.c preloaded.

Reads one order a line, forks a child that carries it out, and answers with what became of it. Everything is imported
once, so that a killed run costs a fork and not a start.
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from sqlalchemy.orm import configure_mappers

import indexer.ingest
import indexer.stamps
from app.database import database_url, open_database
from app.problems import KNOWN_ERRORS, message_of
from indexer.ingest import IngestSettings, Store, ingest
from indexer.repair import compact, repair
from tests.fakes import HashEmbedder, ReaderInProcess

COLLECTION = "handbook"
# A transaction every few chunks, so that a run has many steps to fail at.
SETTINGS = IngestSettings(batch_chunks=4)


def carry_out(order: dict[str, Any]) -> None:
    """Opens the store in this process and indexes, repairs or compacts, with faults as ordered."""
    home = Path(order["home"])
    faults: Any = ctypes.CDLL(os.environ["LD_PRELOAD"]) if "LD_PRELOAD" in os.environ else None
    if faults:
        how = {"once": 0, "from": 1, "kill": 2}[order["how"]]
        faults.faults_arm(str(home).encode(), ctypes.c_long(order["at"]), how, order["error"])
    answer: dict[str, object] = {}
    try:
        store = Store(open_database(database_url(None, home)), home)
        if order["action"] == "index":
            ingest(store, HashEmbedder(), COLLECTION, [Path(order["documents"])], SETTINGS)
        elif order["action"] == "repair":
            repair(store, COLLECTION)
        elif order["action"] == "compact":
            compact(store, COLLECTION)
    except KNOWN_ERRORS as error:
        answer["error"] = message_of(error)
    except BaseException:
        answer["traceback"] = traceback.format_exc()
    if faults:
        faults.faults_last.restype = ctypes.c_char_p
        answer.update(operations=faults.faults_disarm(), operation=faults.faults_last().decode())
    os.write(order["answers"], json.dumps(answer).encode())


def in_child(order: dict[str, Any]) -> dict[str, Any]:
    """What became of the order: the child's answer, or {"killed": signal}."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        carry_out({**order, "answers": writing})
        os._exit(0)
    os.close(writing)
    if "kill_after" in order and not select.select([reading], [], [], order["kill_after"])[0]:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as answers:
        data = answers.read()
    status = os.waitpid(child, 0)[1]
    answer: dict[str, Any] = json.loads(data) if data else {"killed": os.WTERMSIG(status)}
    return answer


def main() -> None:
    """Orders on standard input, answers on standard output."""
    indexer.ingest.ReaderProcess = ReaderInProcess  # type: ignore[attr-defined]
    # Else nothing would be old enough here to be taken as unchanged, or as whole.
    indexer.stamps.SETTLED_NS = 0
    # What every child would do first, and cleaning up that none lives long enough to need: a third of its time.
    configure_mappers()
    gc.freeze()
    gc.disable()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(in_child(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
