"""Liveness says that the process runs; readiness says that questions can be answered, and if not, what to run."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.database import database_url, open_database
from app.service import Service
from app.web import create_app
from indexer.catalog import find_collection
from indexer.errors import IndexDamaged
from indexer.generation import open_generation
from indexer.ingest import Store
from indexer.repair import repair
from tests.app.conftest import ENGLISH
from tests.fakes import HashEmbedder


def client_of(home: Path) -> FlaskClient:
    """A server that has just been started on this data folder."""
    return create_app(Service(Store(open_database(database_url(None, home)), home), HashEmbedder())).test_client()


def index_files(home: Path) -> list[Path]:
    return sorted(
        path for path in (home / "index").rglob("*") if path.is_file() and path.suffix != ".lock" != path.name
    )


def test_a_healthy_server_is_alive_and_ready(client: FlaskClient) -> None:
    alive, ready = client.get("/healthz"), client.get("/readyz")
    assert (alive.status_code, alive.get_json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ok", "warnings": []})


def test_a_server_without_any_collection_is_ready(tmp_path: Path) -> None:
    assert client_of(tmp_path / "new").get("/readyz").status_code == 200


def damage(kind: str, home: Path) -> None:
    files = index_files(home)
    assert files
    if kind == "missing":
        for file in files:
            file.unlink()
        return
    for file in files:
        data = file.read_bytes()
        if kind == "truncated":
            file.write_bytes(data[: len(data) // 2])
        elif data:
            file.write_bytes(bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize("kind", ["missing", "truncated", "one bit flipped"])
def test_a_damaged_index_is_not_ready_and_says_what_to_run(home: Path, handmade_weights: None, kind: str) -> None:
    damage(kind, home)
    client = client_of(home)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.content_type) == (503, "application/problem+json")
    assert ready.get_json()["type"] == "tenkyo:index-damaged"
    assert "tenkyo repair --collection handbook" in ready.get_json()["detail"]
    assert ready.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200
    for accept in ("application/json", "text/event-stream"):
        asked = client.post("/ask", json={"question": ENGLISH}, headers={"Accept": accept})
        assert (asked.status_code, asked.get_json()["type"]) == (503, "tenkyo:index-damaged")
    assert client.get("/documents").status_code == 200, "what SQL knows can still be read"
    repair(Store(open_database(database_url(None, home)), home), "handbook")
    assert client.get("/readyz").status_code == 200, "a repair is noticed without a restart"
    assert client.post("/ask", json={"question": ENGLISH}).get_json()["status"] == "answered"


def test_damage_to_any_one_file_is_noticed(home: Path) -> None:
    files = index_files(home)
    assert {"manifest.json", "deleted.npy", "meta.json"} <= {file.name for file in files}
    for file in files:
        generation = home / "index" / file.relative_to(home / "index").parts[0] / "gen-00000001"
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 128]) if data else b"x")
        assert client_of(home).get("/readyz").status_code == 503, file.name
        generation.with_name("damaged-00000001").rename(generation)
        file.write_bytes(data)
        assert client_of(home).get("/readyz").status_code == 200, file.name


def test_a_server_comes_up_beside_a_damaged_index(home: Path) -> None:
    """A worker that is started again after a crash must not take the whole server down for one collection."""
    damage("truncated", home)
    service = Service(Store(open_database(database_url(None, home)), home), HashEmbedder())
    service.warm_up()
    with pytest.raises(IndexDamaged):
        service.check_ready()


def test_a_running_server_goes_on_with_the_index_it_has_opened(home: Path, handmade_weights: None) -> None:
    client = client_of(home)
    assert client.post("/ask", json={"question": ENGLISH}).get_json()["status"] == "answered"
    for folder in (home / "index").glob("*/gen-*"):
        folder.rename(folder.with_name("moved-away"))
    assert client.post("/ask", json={"question": ENGLISH}).get_json()["status"] == "answered"


def test_the_shared_index_is_whole(indexed_home: Path) -> None:
    """The tests above copy it: if one of them had changed it, the others would prove nothing."""
    store = Store(open_database(database_url(None, indexed_home)), indexed_home)
    with store.sessions() as session:
        row = find_collection(session, "handbook")
    assert row is not None
    assert row.manifest_sha256 is not None
    assert open_generation(store.index_root("handbook"), row.generation, row.manifest_sha256, row.embedder).number == 1
