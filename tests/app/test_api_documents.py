"""Collections, documents, recorded answers and health over HTTP."""

import html
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.database import database_url, open_database
from app.service import Service
from app.web import create_app
from indexer.ingest import IngestSettings, Store, ingest
from tests.app.conftest import DOCUMENTS, ENGLISH, Ask
from tests.fakes import HashEmbedder

HTML = {"Accept": "text/html"}


def document_id(client: FlaskClient, path: str) -> str:
    listed = client.get("/documents").get_json()["documents"]
    found: str = next(document["document_id"] for document in listed if document["path"] == path)
    return found


def shown_text(page: str) -> str:
    """The document's text as a browser shows it on the source page."""
    found = re.search(r'<div class="doc-text"[^>]*>(.*?)</div>', page, re.DOTALL)
    assert found
    return html.unescape(re.sub(r"<[^>]+>", "", found.group(1)))


def marked_text(page: str) -> list[str]:
    return [
        html.unescape(re.sub(r"<[^>]+>", "", mark)) for mark in re.findall(r"<mark[^>]*>(.*?)</mark>", page, re.DOTALL)
    ]


def test_collections_are_listed(client: FlaskClient) -> None:
    (collection,) = client.get("/collections").get_json()["collections"]
    named = {"name", "documents", "chunks", "generation", "index", "embedder", "engine", "indexed_at", "problem"}
    assert set(collection) == named
    assert (collection["name"], collection["documents"]) == ("handbook", len(DOCUMENTS))
    assert re.match(r"\d{4}-\d\d-\d\dT", collection["indexed_at"])


def test_documents_are_listed_by_path(client: FlaskClient) -> None:
    listed = client.get("/documents?collection=handbook").get_json()
    assert [document["path"] for document in listed["documents"]] == sorted(DOCUMENTS)
    assert listed["next"] is None
    for document in listed["documents"]:
        assert set(document) == {"document_id", "path", "title", "media_type", "size", "content_sha256"}
        assert document["size"] == len(DOCUMENTS[document["path"]].encode())


@pytest.mark.parametrize("limit", [1, 2, len(DOCUMENTS)])
def test_pages_of_documents_follow_each_other_without_gap_or_repetition(client: FlaskClient, limit: int) -> None:
    found: list[str] = []
    after = ""
    for _ in range(len(DOCUMENTS) + 1):
        page = client.get("/documents", query_string={"after": after, "limit": limit}).get_json()
        assert len(page["documents"]) <= limit
        found += [document["path"] for document in page["documents"]]
        if page["next"] is None:
            break
        after = page["next"]
    else:
        pytest.fail("the last page still names a next one")
    assert found == sorted(DOCUMENTS)


@pytest.mark.parametrize("limit", ["0", "-5", "1000000", "9" * 400])
def test_a_limit_outside_its_range_is_brought_back_into_it(client: FlaskClient, limit: str) -> None:
    found = client.get("/documents", query_string={"limit": limit}).get_json()["documents"]
    assert len(found) == (1 if limit in ("0", "-5") else len(DOCUMENTS))


@pytest.mark.parametrize("limit", ["ten", "1.5", "", "0x10", "9" * 5000])
def test_a_limit_that_is_no_number_is_a_bad_request(client: FlaskClient, limit: str) -> None:
    response = client.get("/documents", query_string={"limit": limit})
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert "limit" in response.get_json()["detail"]


def test_documents_of_an_unknown_collection_are_not_found(client: FlaskClient) -> None:
    response = client.get("/documents?collection=nowhere")
    assert (response.status_code, response.get_json()["type"]) == (404, "tenkyo:unknown-collection")


def test_a_document_is_given_as_the_text_that_was_indexed(client: FlaskClient) -> None:
    document = client.get(f"/documents/{document_id(client, 'hr/zaitaku.md')}").get_json()
    assert set(document) == {
        "document_id",
        "paths",
        "title",
        "media_type",
        "content_sha256",
        "text",
        "pages",
        "current",
    }
    assert document["text"] == "在宅勤務規程\n\n在宅勤務は週に3日までとする。申請は前日の17時までに行う。"
    assert (document["paths"], document["title"]) == (["hr/zaitaku.md"], "在宅勤務規程")
    assert (document["media_type"], document["pages"], document["current"]) == ("text/markdown", None, True)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_page_of_a_document_shows_its_text_letter_for_letter(client: FlaskClient, path: str) -> None:
    where = f"/documents/{document_id(client, path)}"
    text = client.get(where).get_json()["text"]
    response = client.get(where, headers=HTML)
    assert response.content_type.startswith("text/html")
    page = response.get_data(as_text=True)
    assert shown_text(page) == text
    assert marked_text(page) == []
    for start, end in ((0, 4), (3, 9), (len(text) - 2, len(text)), (0, len(text))):
        marked = client.get(f"{where}?start={start}&end={end}", headers=HTML).get_data(as_text=True)
        assert shown_text(marked) == text
        assert marked_text(marked) == [text[start:end]]
        assert marked.count('id="cited"') == 1


@pytest.mark.parametrize("span", ["start=5", "end=0", "start=9&end=3", "start=5&end=5", "start=99999&end=999999"])
def test_a_span_without_characters_marks_nothing(client: FlaskClient, span: str) -> None:
    response = client.get(f"/documents/{document_id(client, 'travel.txt')}?{span}", headers=HTML)
    assert response.status_code == 200
    assert marked_text(response.get_data(as_text=True)) == []


def test_a_span_that_is_no_number_is_a_bad_request_and_documented_as_one(client: FlaskClient) -> None:
    response = client.get(f"/documents/{document_id(client, 'travel.txt')}?start=x", headers=HTML)
    assert response.status_code == 400
    responses = client.get("/openapi.json").get_json()["paths"]["/documents/{document_id}"]["get"]["responses"]
    assert "400" in responses


def test_a_hostile_document_is_shown_and_not_run(client: FlaskClient) -> None:
    where = f"/documents/{document_id(client, 'hostile.txt')}?start=0&end=60"
    page = client.get(where, headers=HTML).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_browser_gets_the_page_and_a_script_the_object(client: FlaskClient) -> None:
    where = f"/documents/{document_id(client, 'travel.txt')}"
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for accept, kind in (("", "application/json"), ("*/*", "application/json"), (browser, "text/html")):
        assert client.get(where, headers={"Accept": accept}).content_type.startswith(kind)


@pytest.mark.parametrize("identifier", ["0" * 16, "f" * 16, "x", "0" * 17, "１" * 16, "..%2f..%2fetc"])
@pytest.mark.parametrize("route", ["documents", "answers"])
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_id_that_names_nothing_is_not_found(client: FlaskClient, route: str, identifier: str, accept: str) -> None:
    response = client.get(f"/{route}/{identifier}", headers={"Accept": accept})
    assert response.status_code == 404


def test_a_recorded_answer_can_be_fetched_again(client: FlaskClient, ask: Ask) -> None:
    answer = ask(ENGLISH).get_json()
    kept = client.get(f"/answers/{answer['id']}").get_json()
    assert set(kept) == {"id", "created_at", "collection", "record"}
    assert (kept["id"], kept["collection"]) == (answer["id"], "handbook")
    assert {name: kept["record"][name] for name in answer} == answer


def test_a_streamed_answer_is_recorded_too(client: FlaskClient, ask: Ask) -> None:
    body = ask(ENGLISH, "text/event-stream").get_data(as_text=True)
    (identifier,) = re.findall(r'event: answer\ndata: {"id": "([0-9a-f]{16})"', body)
    assert client.get(f"/answers/{identifier}").get_json()["record"]["question"] == ENGLISH


def test_the_same_content_at_two_paths_is_one_document(tmp_path: Path, handmade_weights: None) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_text("Hotels cost 165 pounds a night.")
    store = Store(open_database(database_url(None, tmp_path / "home")), tmp_path / "home")
    ingest(store, HashEmbedder(), "default", [tmp_path / "d"], IngestSettings())
    client = create_app(Service(store, HashEmbedder())).test_client()
    (first, second) = client.get("/documents").get_json()["documents"]
    assert first["document_id"] == second["document_id"]
    assert client.get(f"/documents/{first['document_id']}").get_json()["paths"] == ["a.txt", "b.txt"]
    asked = client.post("/ask", json={"question": "What do hotels cost a night?"}).get_json()
    assert [(c["path"], c["paths"]) for c in asked["citations"]] == [("a.txt", ["a.txt", "b.txt"])]


def test_links_to_a_replaced_version_and_to_its_answer_still_open(tmp_path: Path, handmade_weights: None) -> None:
    store = Store(open_database(database_url(None, tmp_path / "home")), tmp_path / "home")
    client = create_app(Service(store, HashEmbedder())).test_client()
    file = tmp_path / "d" / "hotels.txt"
    file.parent.mkdir()
    question = {"question": "What do hotels cost a night?"}
    asked = []
    for text in ("Hotels cost 165 pounds a night.", "Hotels cost 180 pounds a night."):
        file.write_text(text)
        ingest(store, HashEmbedder(), "default", [file.parent], IngestSettings())
        asked.append(client.post("/ask", json=question).get_json())
    file.rename(file.parent / "inns.txt")
    ingest(store, HashEmbedder(), "default", [file.parent], IngestSettings())
    for answer, amount, current in ((asked[0], "165", False), (asked[1], "180", True)):
        (citation,) = answer["citations"]
        assert amount in citation["quote"]
        document = client.get(f"/documents/{citation['document_id']}").get_json()
        assert document["text"][citation["start"] : citation["end"]] == citation["quote"]
        assert (document["current"], document["paths"]) == (current, ["inns.txt" if current else "hotels.txt"])
        where = f"/documents/{citation['document_id']}?start={citation['start']}&end={citation['end']}"
        assert marked_text(client.get(where, headers=HTML).get_data(as_text=True)) == [citation["quote"]]
        assert client.get(f"/answers/{answer['id']}").get_json()["record"]["answer"] == answer["answer"]
