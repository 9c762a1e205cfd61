"""What goes wrong over HTTP is a problem (RFC 9457) that says what to do, and never a trace of the inside."""

import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, create_engine, text
from werkzeug.test import TestResponse

from app.database import open_database, upgrade
from app.service import Service
from app.web import MAX_BODY_BYTES, create_app
from indexer.ingest import Store
from tests.app.conftest import ENGLISH
from tests.fakes import HashEmbedder


def assert_problem(response: TestResponse, status: int, says: str = "") -> None:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = response.get_json()
    assert set(problem) == {"type", "title", "status", "detail", "retry_after"}
    assert problem["status"] == status
    assert problem["type"]
    assert problem["title"]
    assert says.lower() in problem["detail"].lower()
    assert "Traceback" not in problem["detail"]


def post(client: FlaskClient, body: str | bytes, content_type: str = "application/json") -> TestResponse:
    return client.post("/ask", data=body, content_type=content_type)


@pytest.mark.parametrize("body", ["", "{", "null", "{'question': 'x'}", '{"question": "x"', b'{"question": "\xff"}'])
def test_a_body_that_is_not_json_is_a_bad_request(client: FlaskClient, body: str | bytes) -> None:
    assert_problem(post(client, body), 400, "JSON")


def test_json_that_nests_too_deep_is_a_bad_request(client: FlaskClient) -> None:
    assert_problem(post(client, "[" * 100_000), 400, "JSON")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_media_type_is_unsupported(client: FlaskClient, content_type: str) -> None:
    assert_problem(post(client, '{"question": "x"}', content_type), 415, "application/json")


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ('""', "empty"),
        ('" \\n "', "empty"),
        (json.dumps("x" * 4001), "4,000"),
        ('"?!"', "punctuation"),
        ('"「」。"', "punctuation"),
        ('"a\\u0000b"', "U+0000"),
        ('"a\\u001bb"', "U+001B"),
        ('"\\ud800"', "surrogate"),
        ('"a \\udc00 b"', "surrogate"),
    ],
)
def test_a_question_that_cannot_be_asked_is_unprocessable(client: FlaskClient, question: str, says: str) -> None:
    assert_problem(post(client, f'{{"question": {question}}}'), 422, says)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{}", "question"),
        ('{"question": 3}', "question"),
        ('{"question": null}', "question"),
        ('{"question": ["x"]}', "question"),
        ('{"question": "x", "colection": "c"}', "colection"),
        ('{"question": "x", "collection": 1}', "collection"),
        ("[]", "body"),
        ('"x"', "body"),
        ("3", "body"),
        ("false", "body"),
    ],
)
def test_a_body_of_another_shape_is_unprocessable_and_names_the_field(
    client: FlaskClient, body: str, says: str
) -> None:
    assert_problem(post(client, body), 422, says)


@pytest.mark.parametrize("name", ["nowhere", "", "\\ud800", "../../etc", "\\u0000", "x" * 5000])
def test_an_unknown_collection_is_not_found_and_the_known_ones_are_named(client: FlaskClient, name: str) -> None:
    assert_problem(post(client, f'{{"question": "x", "collection": "{name}"}}'), 404, "handbook")


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    body = json.dumps({"question": "x" * MAX_BODY_BYTES})
    assert_problem(post(client, body), 413)


@pytest.mark.parametrize("path", ["/nowhere", "/ask/x", "/documents/", "/static/nothing.js", "/static/../config.py"])
def test_an_unknown_route_is_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize(("method", "path"), [("GET", "/ask"), ("DELETE", "/documents"), ("POST", "/healthz")])
def test_another_method_is_not_allowed_and_the_right_one_is_named(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method)
    assert_problem(response, 405)
    expected = {"/ask": "POST", "/documents": "GET", "/healthz": "GET"}[path]
    assert expected in response.headers.get("Allow", ""), "RFC 9110: a 405 must carry Allow"


def test_a_page_for_a_browser_carries_the_same_headers_as_the_problem(client: FlaskClient) -> None:
    response = client.get("/ask", headers={"Accept": "text/html"})
    assert (response.status_code, response.content_type[:9]) == (405, "text/html")
    assert "POST" in response.headers.get("Allow", "")


def test_an_error_nobody_foresaw_says_nothing_of_the_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the secret path /etc/inside")

    monkeypatch.setattr(Service, "collections", fail)
    response = client.get("/collections")
    assert_problem(response, 500)
    assert "secret" not in response.get_data(as_text=True)
    assert "secret" in caplog.text, "the log has what the client is not told"


def test_a_browser_gets_a_page_in_its_language(client: FlaskClient) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    for language, words in (("en-GB,en;q=0.9", "Back to questions"), ("ja,en;q=0.5", "質問")):
        response = client.get("/nowhere", headers={"Accept": browser, "Accept-Language": language})
        assert response.status_code == 404
        assert response.content_type.startswith("text/html")
        page = response.get_data(as_text=True)
        assert words in page
        assert f'<html lang="{language[:2]}"' in page


def test_what_a_browser_sent_is_escaped_on_the_error_page(client: FlaskClient) -> None:
    response = client.get("/documents/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers={"Accept": "text/html"})
    assert response.status_code == 404
    page = response.get_data(as_text=True)
    assert "<script>alert" not in page
    response = client.get("/documents?limit=%3Cscript%3Ealert(1)", headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert "<script>alert" not in response.get_data(as_text=True)
    assert "&lt;script&gt;alert" in response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/static/main.js", 200),
        ("GET", "/healthz", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/ask", 405),
        ("POST", "/ask", 415),
        ("OPTIONS", "/ask", 200),
        ("HEAD", "/", 200),
    ],
)
def test_every_response_carries_the_security_headers(client: FlaskClient, method: str, path: str, status: int) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert {"Accept", "Accept-Language"} <= set(response.vary)


def test_a_stream_carries_the_security_headers(client: FlaskClient) -> None:
    response = client.post("/ask", json={"question": ENGLISH}, headers={"Accept": "text/event-stream"})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_database_that_goes_away_is_unavailable_and_worth_another_try(
    postgres_url: URL, postgres_server: URL, tmp_path: Path
) -> None:
    upgrade(postgres_url)
    gone = create_app(Service(Store(open_database(postgres_url), tmp_path), HashEmbedder())).test_client()
    assert gone.get("/collections").status_code == 200
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {postgres_url.database} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": postgres_url.database},
        )
    admin.dispose()
    for path in ("/collections", "/readyz", "/documents"):
        response = gone.get(path)
        assert_problem(response, 503, "database")
        assert response.headers["Retry-After"]
    assert gone.get("/healthz").status_code == 200


def test_what_a_database_cannot_hold_is_a_mistake_of_the_client(indexed_store: Store) -> None:
    either = create_app(Service(indexed_store, HashEmbedder())).test_client()
    statuses = {path: either.get(path).status_code for path in ("/answers/%00", "/documents?after=%00")}
    assert statuses["/answers/%00"] == 404
    assert statuses["/documents?after=%00"] in (200, 400)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["question", "collection", "path", "x"]), st.none() | st.text() | st.integers())
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3))
)
def test_no_json_at_all_makes_an_internal_error(client: FlaskClient, body: object) -> None:
    response = post(client, json.dumps(body))
    assert response.status_code in (200, 400, 404, 422)
    if response.status_code != 200:
        assert response.content_type == "application/problem+json"
