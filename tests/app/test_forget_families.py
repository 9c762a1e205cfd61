"""Forgetting where the dense index is of a large family, whose segments are three files each."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from generator.record import withhold_answers
from indexer.families import FamilySettings
from indexer.forget import forget
from indexer.generation import set_aside
from indexer.ingest import IngestSettings, Store, ingest
from indexer.tables import Chunk
from tests.app.test_forget import OTHER, SECRET, close, holders
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import retrieved, write

pytestmark = pytest.mark.usefixtures("quick_reader")


def test_of_a_large_family_nothing_stays_either(store: Store, tmp_path: Path) -> None:
    """Not the vectors in half precision, not the ids, not what a broken run or a damaged generation left of them."""
    large = IngestSettings(families=FamilySettings(flat_most=0))
    root = write(tmp_path / "docs", secret=SECRET, other=OTHER, third="A third text about something else.")
    ingest(store, HashEmbedder(), "team", [root], large)
    with store.sessions() as session:
        chunk_id, vector = session.execute(
            select(Chunk.id, Chunk.embedding).where(Chunk.text.contains("zanzibarine"))
        ).one()
    assert vector is not None
    half = np.frombuffer(vector, dtype=np.float32).astype("<f2").tobytes()
    needles: list[str | bytes] = [SECRET, vector, half, int(chunk_id).to_bytes(8, "little")]
    write(root, fourth="A fourth text, which makes another generation.")
    ingest(store, HashEmbedder(), "team", [root], large)
    folder = store.index_root("team")
    (folder / ".staging-00000007").mkdir()
    (vectors,) = (folder / "gen-00000001").glob("*.vectors.npy")
    (folder / ".staging-00000007" / "tmpspool").write_bytes(vectors.read_bytes())
    set_aside(folder, 1)
    held = holders(store.home, half)
    assert {name.split("/")[2] for name in held} == {"damaged-00000001", "gen-00000002", ".staging-00000007"}
    assert any(name.endswith(".ids.npy") for name in holders(store.home, needles[-1]))
    forget(store, [root / "secret.txt"], "team", withhold_answers, large.families)
    assert holders(close(store), *needles) == set()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "gen-00000003"]
    assert next((folder / "gen-00000003").glob("*.vectors.npy")), "of the same family"
    assert OTHER in retrieved(store, HashEmbedder(), "common limit hotel", "team")
