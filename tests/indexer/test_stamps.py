"""A file whose stat is that of its hashed bytes is not read again; whatever happens to a file, its change is seen."""

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from app.database import database_url, open_database
from indexer import stable_read, stamps
from indexer.chunker import ChunkerSettings
from indexer.errors import UnreadableDocument
from indexer.ingest import IngestSettings, Store
from indexer.preview import preview
from indexer.stamps import FileClock, is_settled, stamp_of
from indexer.tables import Chunk, Content, Document
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, DEFAULTS, counts, index, indexed_paths, write

pytestmark = pytest.mark.usefixtures("in_process_reader")

OLD, NEW = "The common text number 1.", "The common text number 2."


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are."""
    names: list[str] = []
    reading = stable_read.read_stable

    def read(location: Path, limit: int, root: Path) -> tuple[bytes, os.stat_result]:
        names.append(location.name)
        return reading(location, limit, root)

    monkeypatch.setattr("indexer.comparison.read_stable", read)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a minute had passed since the last change of any file."""
    monkeypatch.setattr(stamps, "SETTLED_NS", 0)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write(tmp_path / "docs", a=OLD, b="The common b.", c="The common c.")


def tick(folder: Path) -> None:
    """Waits until the file system gives another time than the last."""
    probe = folder.parent / "tick"
    probe.touch()
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.touch()


def texts(store: Store) -> dict[str, str]:
    """What the collection holds, by path."""
    with store.sessions() as session:
        rows = session.execute(select(Document.path, Content.text).join(Content))
        return {row.path: row.text for row in rows}


def stored_stamps(store: Store) -> dict[str, str | None]:
    with store.sessions() as session:
        return {row.path: row.stamp for row in session.execute(select(Document.path, Document.stamp))}


@pytest.mark.usefixtures("settled")
def test_files_that_have_not_changed_are_not_read_again(
    any_store: Store, embedder: HashEmbedder, documents: Path, reads: list[str]
) -> None:
    index(any_store, embedder, documents)
    assert sorted(reads) == ["a.txt", "b.txt", "c.txt"]
    reads.clear()
    tick(documents)
    write(documents, b=NEW)
    assert counts(index(any_store, embedder, documents)) == (1, 2, 0, 0)
    assert reads == ["b.txt"]
    assert texts(any_store) == {"a.txt": OLD, "b.txt": NEW, "c.txt": "The common c."}
    assert counts(index(any_store, embedder, documents)) == (0, 3, 0, 0)
    assert reads == ["b.txt"]


def test_a_file_that_was_changed_a_moment_ago_is_read_again_until_it_has_settled(
    any_store: Store, embedder: HashEmbedder, documents: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index(any_store, embedder, documents)
    assert set(stored_stamps(any_store).values()) == {None}
    index(any_store, embedder, documents)
    assert len(reads) == 6
    monkeypatch.setattr(stamps, "SETTLED_NS", 0)
    assert counts(index(any_store, embedder, documents)) == (0, 3, 0, 0)
    assert len(reads) == 9, "the first run that finds them settled remembers it"
    assert None not in stored_stamps(any_store).values()
    index(any_store, embedder, documents)
    assert len(reads) == 9


def rewrite(file: Path) -> None:
    with file.open("r+b") as out:
        out.write(NEW.encode())


def rewrite_in_secret(file: Path) -> None:
    before = file.stat()
    rewrite(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_rename(file: Path) -> None:
    """By a file that is as long and as old to the nanosecond."""
    other = file.parent.parent / "prepared"
    other.write_text(NEW)
    before = file.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(file)


def write_through_a_hard_link(file: Path) -> None:
    other = file.parent.parent / "other-name"
    os.link(file, other)
    rewrite_in_secret(other)


def write_through_a_mapping(file: Path) -> None:
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[:] = NEW.encode()


def make_it_a_link(file: Path) -> None:
    """To a file below the root that is as long and as old."""
    target = file.parent / ".hidden.txt"
    target.write_text(NEW)
    os.utime(target, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    file.unlink()
    file.symlink_to(target)


CHANGES: dict[str, Callable[[Path], None]] = {
    "of the same length": rewrite,
    "with its old time put back": rewrite_in_secret,
    "replaced by a rename": replace_by_rename,
    "through a hard link": write_through_a_hard_link,
    "through a mapping": write_through_a_mapping,
    "a link now": make_it_a_link,
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_seen(
    store: Store, embedder: HashEmbedder, documents: Path, reads: list[str], change: Callable[[Path], None]
) -> None:
    index(store, embedder, documents)
    reads.clear()
    tick(documents)
    change(documents / "a.txt")
    assert (documents / "a.txt").stat().st_size == len(OLD)
    assert counts(index(store, embedder, documents)) == (1, 2, 0, 0)
    assert reads == ["a.txt"]
    assert texts(store)["a.txt"] == NEW


@pytest.mark.usefixtures("settled")
def test_a_link_that_leads_to_another_file_is_seen(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", one=OLD, two=NEW)
    for file in root.iterdir():
        os.utime(file, (0, 0))
    (root / "link.txt").symlink_to("one.txt")
    index(store, embedder, root)
    (root / "link.txt").unlink()
    (root / "link.txt").symlink_to("two.txt")
    assert counts(index(store, embedder, root)) == (1, 2, 0, 0)
    assert texts(store)["link.txt"] == NEW


@pytest.mark.usefixtures("settled")
def test_a_file_that_was_only_touched_is_read_once(
    store: Store, embedder: HashEmbedder, documents: Path, reads: list[str]
) -> None:
    index(store, embedder, documents)
    embedded = embedder.embedded_texts
    reads.clear()
    tick(documents)
    os.utime(documents / "a.txt")
    for _ in range(2):
        assert counts(index(store, embedder, documents)) == (0, 3, 0, 0)
    assert reads == ["a.txt"]
    assert embedder.embedded_texts == embedded


@pytest.mark.usefixtures("settled")
def test_a_moved_file_is_read_and_found_by_its_content(
    store: Store, embedder: HashEmbedder, documents: Path, reads: list[str]
) -> None:
    index(store, embedder, documents)
    embedded = embedder.embedded_texts
    reads.clear()
    (documents / "a.txt").rename(documents / "z.txt")
    report = index(store, embedder, documents)
    assert [(rename.path, rename.was) for rename in report.renamed] == [("z.txt", "a.txt")]
    assert reads == ["z.txt"]
    assert embedder.embedded_texts == embedded


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("way", ["checksum", "rebuild"])
def test_a_file_system_that_tells_nothing_of_a_change_can_be_overruled(
    store: Store, embedder: HashEmbedder, documents: Path, way: str
) -> None:
    index(store, embedder, documents)
    rewrite(documents / "a.txt")
    with store.sessions.begin() as session:  # as if the times were still those from before
        status = (documents / "a.txt").stat()
        session.execute(update(Document).where(Document.path == "a.txt").values(stamp=stamp_of(status)))
    assert counts(index(store, embedder, documents)) == (0, 3, 0, 0)
    plan = preview(store, store.home, embedder, COLLECTION, [documents], DEFAULTS, **{way: True})  # type: ignore[arg-type]
    assert plan.would_index == ["a.txt"]
    assert counts(index(store, embedder, documents, **{way: True})) == (1, 2, 0, 0)  # type: ignore[arg-type]
    assert texts(store)["a.txt"] == NEW


@pytest.mark.usefixtures("settled")
def test_other_settings_read_everything_anew(
    store: Store, embedder: HashEmbedder, documents: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index(store, embedder, documents)
    reads.clear()
    shorter = IngestSettings(chunker=replace(ChunkerSettings(), max_tokens=3))
    assert counts(index(store, embedder, documents, settings=shorter)) == (3, 0, 0, 0)
    monkeypatch.setattr("indexer.comparison.CHUNKER_VERSION", 99)
    assert counts(index(store, embedder, documents, settings=shorter)) == (3, 0, 0, 0)
    other = HashEmbedder("other@1")
    assert counts(index(store, other, documents, settings=shorter, rebuild=True)) == (3, 0, 0, 0)
    assert len(reads) == 9
    small = replace(shorter, max_file_bytes=len(OLD) - 1)
    report = index(store, other, documents, settings=small)
    assert [(failure.path, failure.reason) for failure in report.failed] == [("a.txt", "larger than 0 MiB")]


@pytest.mark.usefixtures("settled")
def test_what_is_no_longer_stored_is_read_again(store: Store, embedder: HashEmbedder, documents: Path) -> None:
    index(store, embedder, documents)
    with store.sessions.begin() as session:
        session.execute(delete(Chunk))
    assert counts(index(store, embedder, documents)) == (0, 3, 0, 0)
    with store.sessions() as session:
        assert len(session.scalars(select(Chunk)).all()) == 3


@pytest.mark.usefixtures("settled")
def test_a_file_that_could_not_be_read_is_tried_again(
    store: Store, embedder: HashEmbedder, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its document keeps the stamp of the version that it shows, not that of the one that failed."""
    index(store, embedder, documents)
    tick(documents)
    write(documents, a=NEW)
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> None:
            raise UnreadableDocument("not today")

        broken.setattr("tests.indexer.ingesting.read_document", refuse)
        for _ in range(2):
            assert counts(index(store, embedder, documents)) == (0, 2, 0, 1)
    assert texts(store)["a.txt"] == OLD
    assert counts(index(store, embedder, documents)) == (1, 2, 0, 0)
    assert texts(store)["a.txt"] == NEW


@pytest.mark.usefixtures("settled")
def test_a_dry_run_reads_what_a_run_would_and_remembers_nothing(
    store: Store, embedder: HashEmbedder, documents: Path, reads: list[str]
) -> None:
    index(store, embedder, documents)
    tick(documents)
    os.utime(documents / "b.txt")
    before = stored_stamps(store)
    reads.clear()
    assert preview(store, store.home, embedder, COLLECTION, [documents], DEFAULTS).unchanged == 3
    assert reads == ["b.txt"]
    assert stored_stamps(store) == before


HOUR = 3_600_000_000_000


@pytest.mark.parametrize("offset", [-HOUR, HOUR], ids=["set back", "set forward"])
@pytest.mark.parametrize("when", ["before the run", "within the run"])
def test_a_clock_that_jumps_makes_no_file_older_than_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, when: str
) -> None:
    wall = time.time_ns
    fresh = write(tmp_path, a=OLD) / "a.txt"
    probe = tmp_path / "probe"
    probe.touch()
    clock = FileClock(probe) if when == "within the run" else None
    monkeypatch.setattr("indexer.stamps.time.time_ns", lambda: wall() + offset)
    clock = clock or FileClock(probe)
    assert clock.now() <= wall() + min(offset, 0)
    assert not is_settled(fresh.stat().st_mtime_ns, clock.now())


def test_the_time_of_the_file_system_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = write(tmp_path, a=OLD) / "a.txt"
    clock = FileClock(fresh)
    monotonic, wall = time.monotonic_ns, time.time_ns
    for seconds, expected in ((0, False), (50, False), (70, True)):
        monkeypatch.setattr("indexer.stamps.time.monotonic_ns", lambda s=seconds: monotonic() + s * 1_000_000_000)
        monkeypatch.setattr("indexer.stamps.time.time_ns", lambda s=seconds: wall() + s * 1_000_000_000)
        assert is_settled(fresh.stat().st_mtime_ns, clock.now()) == expected
    os.utime(fresh, (wall() / 1e9 + 1000,) * 2)
    assert not is_settled(fresh.stat().st_mtime_ns, clock.now()), "a time that lies ahead is not past"


def test_a_probe_that_cannot_be_touched_settles_nothing(tmp_path: Path) -> None:
    clock = FileClock(tmp_path / "absent" / "probe")
    old = write(tmp_path, a=OLD) / "a.txt"
    os.utime(old, (0, 0))
    assert not is_settled(old.stat().st_mtime_ns, clock.now())


def test_a_run_beside_a_wrong_clock_sees_every_change(
    store: Store, embedder: HashEmbedder, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = time.time_ns
    for number in range(8):
        jump = HOUR * (-1) ** number
        monkeypatch.setattr("indexer.stamps.time.time_ns", lambda jump=jump: wall() + jump)
        write(documents, a=f"The common text number {number}.")
        os.utime(documents / "a.txt", (0, 0))
        assert counts(index(store, embedder, documents)) == ((1, 2, 0, 0) if number else (3, 0, 0, 0))
        assert texts(store)["a.txt"] == f"The common text number {number}."


NAMES = st.sampled_from(["a", "b", "c", "link"])
DEEDS = st.one_of(
    st.tuples(st.just("write"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("secretly"), NAMES, st.integers(0, 3)),
    st.tuples(st.sampled_from(["touch", "delete"]), NAMES, st.just(0)),
    st.tuples(st.sampled_from(["move", "link", "hardlink", "swap"]), NAMES, NAMES),
)


def do(root: Path, deed: tuple[str, str, int | str]) -> None:
    """One change to the folder, if it is possible."""
    verb, name, what = deed
    file, other = root / f"{name}.txt", root / f"{what}.txt"
    if verb == "write":
        file.write_text(f"The common text number {what}.")
    elif not file.exists() or (isinstance(what, str) and (what == name or file.is_symlink())):
        return
    elif verb == "secretly":
        status = file.stat()
        file.write_text(f"The common text number {what}.")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif verb == "touch":
        os.utime(file)
    elif verb == "delete":
        file.unlink()
    elif verb == "move":
        file.rename(other)
    elif verb in ("link", "hardlink"):
        other.unlink(missing_ok=True)
        other.symlink_to(file.name) if verb == "link" else os.link(file, other)
    elif other.exists() and not other.is_symlink():
        file.rename(root / "aside")
        other.rename(file)
        (root / "aside").rename(other)


@pytest.mark.usefixtures("settled")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(DEEDS, max_size=4), min_size=2, max_size=6))
def test_after_every_run_the_collection_is_what_the_folder_holds(
    rounds: list[list[tuple[str, str, int | str]]],
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        home, root = Path(temporary) / "home", write(Path(temporary) / "docs", a=OLD, b=NEW)
        store, embedder = Store(open_database(database_url(None, home)), home), HashEmbedder()
        for deeds in rounds:
            for deed in deeds:
                do(root, deed)
            index(store, embedder, root, allow_empty=True)
            now = {file.name: file.read_text() for file in root.iterdir() if file.exists()}
            assert {path: text.strip() for path, text in texts(store).items()} == now
            assert indexed_paths(store) == sorted(now)
            tick(root)
        store.sessions.kw["bind"].dispose()
