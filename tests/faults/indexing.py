"""Talks to the worker, writes the documents it indexes, and takes stock of what it left."""

import errno
import hashlib
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select

from app.database import database_url, open_database
from indexer import catalog
from indexer.check import check
from indexer.ingest import Store
from indexer.tables import Chunk, Content, Document, Lease
from tests.faults.worker import COLLECTION
from tests.indexer.ingesting import open_current

PROJECT = Path(__file__).parents[2]


class Worker:
    """A `tests.faults.worker`; a context manager. Without the compiled faults it can only be killed from outside."""

    def __init__(self, library: Path | None) -> None:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
        if library:
            environment["LD_PRELOAD"] = str(library)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=PROJECT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def run(
        self, home: Path, documents: Path, *, action: str = "index", at: int = 0, how: str = "once",
        error: int = errno.EIO, kill_after: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Carries out one action; operation `at` of those that change files below `home` fails, or kills it."""
        order = {
            "home": str(home), "documents": str(documents), "action": action, "at": at, "how": how, "error": error,
        }  # fmt: skip
        if kill_after is not None:
            order["kill_after"] = kill_after
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass(frozen=True)
class Stock:
    """All that a finished run leaves: ids, texts and vectors in SQL and in both indexes."""

    documents: dict[str, int]
    contents: dict[int, str]
    chunks: dict[int, tuple[str, bytes | None]]
    dense: dict[int, bytes]
    lexical: list[int]


def open_store(home: Path) -> Store:
    """The store of a data folder, as the next process finds it."""
    return Store(open_database(database_url(None, home)), home)


def take_stock(home: Path) -> Stock:
    """The finished state, after checking that it is whole and that nothing lies about."""
    store = open_store(home)
    assert check(store, COLLECTION) == []
    root = store.index_root(COLLECTION)
    assert not [path.name for path in root.iterdir() if path.name.startswith((".staging", "damaged"))]
    generation = open_current(store, COLLECTION)
    with store.sessions() as session:
        assert session.scalars(select(Lease)).all() == []
        own = Content.collection_id == catalog.collection_id(COLLECTION)
        stock = Stock(
            {row.path: row.content_id for row in session.scalars(select(Document))},
            {row.id: row.text for row in session.scalars(select(Content).where(own))},
            {row.id: (row.text, row.embedding) for row in session.scalars(select(Chunk))},
            {
                int(i): v.tobytes()
                for ids, vectors in generation.dense.rows()
                for i, v in zip(ids, vectors, strict=True)
            },
            sorted(generation.lexical.ids()),
        )
    store.sessions.kw["bind"].dispose()
    return stock


class Documents:
    """A folder that changes at random, but the same way for the same seed."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self._random = random.Random(seed)
        root.mkdir(parents=True)
        for number in range(24):
            self._write(number)

    def change(self) -> None:
        """Some files come, some go, some change, one moves; one is put back as it was."""
        names = sorted(path.name for path in self.root.iterdir())
        for name in self._random.sample(names, 3):
            (self.root / name).unlink()
        for number in self._random.sample(range(24), 5):
            self._write(number)
        moved = self._random.choice(sorted(path.name for path in self.root.iterdir()))
        (self.root / moved).rename(self.root / f"{moved.removesuffix('.txt')}-moved.txt")

    def _write(self, number: int) -> None:
        version = self._random.randrange(3)
        words = hashlib.sha256(f"{number} {version}".encode()).hexdigest()
        paragraphs = [f"The common text {number} of version {version}: {words} part {part}." for part in range(3)]
        (self.root / f"file{number}.txt").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
