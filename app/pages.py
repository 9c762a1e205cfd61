"""The pages for people: chat, source viewer, interface documentation. English or Japanese by the browser's language."""

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

from flask import Blueprint, Flask, render_template, request

from app.schemas import DocumentModel
from app.service import DEFAULT_COLLECTION, Service

_LANGUAGES = ("en", "ja")
_STRINGS_FILE = Path(__file__).parent / "static" / "strings.json"


@cache
def _strings() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = json.loads(_STRINGS_FILE.read_text(encoding="utf-8"))
    return loaded


def page_context() -> dict[str, object]:
    """What every template gets: the language, its strings, the version."""
    language = request.accept_languages.best_match(_LANGUAGES, "en") or "en"
    return {"lang": language, "t": _strings()[language], "version": version("tenkyo")}


def register_pages(app: Flask, service: Service) -> None:
    """Adds the pages and the context of their templates."""
    blueprint = Blueprint("pages", __name__)
    app.context_processor(page_context)

    @blueprint.get("/")
    def chat() -> str:
        collections = service.collections()
        names = [collection.name for collection in collections]
        default = DEFAULT_COLLECTION if DEFAULT_COLLECTION in names else next(iter(names), None)
        return render_template("chat.html", collections=collections, default_collection=default)

    @blueprint.get("/docs")
    def docs() -> str:
        return render_template("docs.html", spec=app.extensions["openapi"])

    app.register_blueprint(blueprint)


def render_document(document: DocumentModel, start: int, end: int) -> str:
    """The source viewer, with the characters [start, end) marked."""
    text = document.text
    if start >= end:
        segments = [{"text": text, "mark": False}]
    else:
        parts = ((text[:start], False), (text[start:end], True), (text[end:], False))
        segments = [{"text": part, "mark": mark} for part, mark in parts if part]
    return render_template("document.html", document=document, segments=segments)
