"""The pages for people, in both languages, with hostile names and without JavaScript."""

import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.api import ROUTES
from app.database import database_url, open_database
from app.service import Service
from app.web import create_app
from indexer.catalog import collection_id
from indexer.ingest import Store
from indexer.tables import Collection
from tests.fakes import HashEmbedder

STATIC = Path(__file__).parents[2] / "app" / "static"
TEMPLATES = STATIC.parent / "templates"
STRINGS: dict[str, dict[str, str]] = json.loads((STATIC / "strings.json").read_text(encoding="utf-8"))


def page(client: FlaskClient, path: str, language: str = "en") -> str:
    response = client.get(path, headers={"Accept": "text/html", "Accept-Language": language})
    assert response.status_code == 200
    assert response.content_type.startswith("text/html")
    return response.get_data(as_text=True)


@pytest.fixture
def empty_store(tmp_path: Path) -> Store:
    home = tmp_path / "empty"
    return Store(open_database(database_url(None, home)), home)


def add_collection(store: Store, name: str) -> None:
    with store.sessions.begin() as session:
        session.add(Collection(id=collection_id(name), name=name, embedder="e", generation=1))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_question_page_is_in_the_language_of_the_browser(client: FlaskClient, language: str) -> None:
    found = page(client, "/", language)
    assert f'<html lang="{language}"' in found
    assert STRINGS[language]["welcome_title"] in found
    assert 'id="question"' in found
    assert "handbook" in found


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("ja-JP,ja;q=0.9,en;q=0.8", "ja"), ("en-GB", "en"), ("de,fr;q=0.5", "en"), ("", "en"), ("de,ja;q=0.3", "ja")],
)
def test_the_nearest_language_is_chosen_and_english_otherwise(
    client: FlaskClient, accepted: str, language: str
) -> None:
    assert f'<html lang="{language}"' in page(client, "/", accepted)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_interface_is_documented_in_both_languages(client: FlaskClient, language: str) -> None:
    found = page(client, "/docs", language)
    assert f'<html lang="{language}"' in found
    assert STRINGS[language]["docs_parameters"] in found
    for route in ROUTES:
        anchor = f"{route.method.lower()}-{re.sub('[{}]', '', route.path.replace('/', '-'))}"
        assert f'id="{anchor}"' in found
        assert f'href="#{anchor}"' in found
        assert f"schema-{route.response.__name__}" in found


def test_without_documents_the_page_says_how_to_index_some(empty_store: Store) -> None:
    client = create_app(Service(empty_store, HashEmbedder())).test_client()
    found = page(client, "/")
    assert STRINGS["en"]["empty_title"] in found
    assert "tenkyo index" in found
    assert re.search(r"<textarea[^>]*disabled", found)


def test_the_collection_is_chosen_where_there_are_several(empty_store: Store) -> None:
    for name in ("zoo", "default", "alpha"):
        add_collection(empty_store, name)
    found = page(create_app(Service(empty_store, HashEmbedder())).test_client(), "/")
    assert re.findall(r'<option value="(\w+)"( selected)?>', found) == [
        ("alpha", ""),
        ("default", " selected"),
        ("zoo", ""),
    ]


def test_a_hostile_collection_name_is_shown_and_not_run(empty_store: Store) -> None:
    for name in ("<script>alert(1)</script>", '" autofocus onfocus="alert(2)'):
        add_collection(empty_store, name)
    found = page(create_app(Service(empty_store, HashEmbedder())).test_client(), "/")
    assert "<script>alert" not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found
    assert 'onfocus="alert' not in found


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_page_needs_what_its_own_policy_forbids(client: FlaskClient, path: str) -> None:
    found = page(client, path)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", found, re.DOTALL)
    assert all('src="' in attributes or 'type="application/json"' in attributes for attributes, _ in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", found)
    for link in re.findall(r'(?:src|href)="([^"#]+)"', found):
        assert link.startswith("/"), "nothing is loaded from elsewhere"
        assert client.get(link).status_code == 200


def test_both_languages_have_the_same_words() -> None:
    assert set(STRINGS) == {"en", "ja"}
    assert set(STRINGS["en"]) == set(STRINGS["ja"])
    for key, words in STRINGS["en"].items():
        assert words.strip()
        if key.endswith("_one"):
            continue  # "1 sentence" may also be "the sentence"
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", STRINGS["ja"][key])), key


def test_every_word_that_a_template_asks_for_is_there() -> None:
    for template in TEMPLATES.glob("*.html"):
        asked = set(re.findall(r"\bt\.(\w+)", template.read_text(encoding="utf-8")))
        assert asked <= set(STRINGS["en"]), template.name


def test_every_word_that_a_script_asks_for_is_there() -> None:
    forms = {f"{key}_{form}" for key in STRINGS["en"] for form in ("one", "other")}
    known = set(STRINGS["en"]) | forms
    for script in STATIC.glob("*.js"):
        source = re.sub(r"^\s*//.*$", "", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for key in re.findall(r'(?<![\w.])t\("(\w+)"', source):
            assert key in STRINGS["en"], f"{script.name}: {key}"
        for key in re.findall(r'(?<![\w.])count\("(\w+)"', source):
            assert {f"{key}_one", f"{key}_other"} <= known & set(STRINGS["en"]), f"{script.name}: {key}"
