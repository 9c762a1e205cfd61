"""The REST interface: one table of routes, and a function for each. Everything it does, the service does."""

import itertools
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from pydantic import BaseModel
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app import sse
from app.client import gone_check
from app.openapi import Parameter, Route, openapi_document
from app.pages import render_document
from app.schemas import (
    AnswerModel,
    AskRequest,
    CollectionList,
    DocumentList,
    DocumentModel,
    HealthModel,
    ReadyModel,
    RecordModel,
)
from app.service import Event, Service

_DESCRIPTION = "Answers from your own documents: every sentence rests on a source sentence that you can open."
_MAX_LIMIT = 1000
_CLIENT_CLOSED_REQUEST = 499  # nginx's name for it; nobody reads this answer
Model = TypeVar("Model", bound=BaseModel)
_COLLECTION = Parameter(
    "collection", "Name of the collection; may be left out when there is only one.", {"type": "string"}
)

ROUTES = (
    Route(
        "POST",
        "/ask",
        "ask",
        "Ask a question. `Accept: text/event-stream` gives events: status, passages, claim, answer, error.",
        AnswerModel,
        request=AskRequest,
        errors=(400, 404, 413, 415, 422, 503, 504),
        streams=True,
    ),
    Route("GET", "/collections", "collections", "List the collections.", CollectionList),
    Route(
        "GET",
        "/documents",
        "documents",
        "List the documents of a collection by path.",
        DocumentList,
        parameters=(
            _COLLECTION,
            Parameter("after", "List what comes after this path.", {"type": "string"}),
            Parameter("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": _MAX_LIMIT, "default": 100}),
        ),
        errors=(400, 404),
    ),
    Route(
        "GET",
        "/documents/{document_id}",
        "document",
        "The extracted text of a document. `Accept: text/html` gives a page, `start` to `end` marked.",
        DocumentModel,
        parameters=(
            Parameter("start", "First marked character, in the page.", {"type": "integer", "minimum": 0}),
            Parameter("end", "End of the marked characters, in the page.", {"type": "integer", "minimum": 0}),
        ),
        errors=(400, 404, 410),
    ),
    Route("GET", "/answers/{answer_id}", "answer", "A recorded answer.", RecordModel, errors=(404,)),
    Route("GET", "/healthz", "healthz", "Whether the process lives.", HealthModel),
    Route("GET", "/readyz", "readyz", "Whether questions can be answered.", ReadyModel, errors=(503,)),
)


def register_api(app: Flask, service: Service) -> None:
    """Adds every route of the table, and `/openapi.json`."""
    blueprint = Blueprint("api", __name__)
    views = _views(service)
    for route in ROUTES:
        blueprint.add_url_rule(route.flask_path, route.endpoint, views[route.endpoint], methods=[route.method])
    specification = openapi_document(ROUTES, _DESCRIPTION)
    blueprint.add_url_rule("/openapi.json", "openapi", lambda: jsonify(specification))
    app.register_blueprint(blueprint)
    app.extensions["openapi"] = specification


def _views(service: Service) -> dict[str, Callable[..., Response | str]]:
    def ask() -> Response:
        asked = _read_json(AskRequest)
        history = [turn.question for turn in asked.history]
        cancelled, gone = threading.Event(), gone_check(request.environ)
        events = service.ask_events(asked.question, asked.collection, asked.path, history, cancelled)
        if request.accept_mimetypes.best_match(["application/json", sse.MEDIA_TYPE]) == sse.MEDIA_TYPE:
            # The first events are taken here: a bad question or collection is then a proper problem response.
            first = list(itertools.islice(events, 2))
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            body = sse.stream(first, events, cancelled, gone)
            return Response(body, content_type=f"{sse.MEDIA_TYPE}; charset=utf-8", headers=headers)
        answer = _last(sse.follow(events, cancelled, gone))
        return _json(answer) if answer else Response(status=_CLIENT_CLOSED_REQUEST)

    def collections() -> Response:
        return _json(CollectionList(collections=service.collections()))

    def documents() -> Response:
        limit = _query_int("limit", 100, 1, _MAX_LIMIT)
        found = service.documents(request.args.get("collection"), _query_text("after"), limit)
        return _json(DocumentList(documents=found, next=found[-1].path if len(found) == limit else None))

    def document(document_id: str) -> Response | str:
        found = service.document(document_id)
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            end = len(found.text)
            return render_document(found, _query_int("start", 0, 0, end), _query_int("end", 0, 0, end))
        return _json(found)

    def answer(answer_id: str) -> Response:
        return _json(service.answer(answer_id))

    def healthz() -> Response:
        return _json(HealthModel(status="ok"))

    def readyz() -> Response:
        warnings = service.check_ready()
        return _json(ReadyModel(status="degraded" if warnings else "ok", warnings=warnings))

    views: tuple[Callable[..., Response | str], ...] = (
        ask,
        collections,
        documents,
        document,
        answer,
        healthz,
        readyz,
    )
    return {view.__name__: view for view in views}


def _json(model: BaseModel) -> Response:
    return current_app.response_class(model.model_dump_json(), content_type="application/json")


def _last(events: Iterable[Event | Exception | None]) -> AnswerModel | None:
    """The answer at the end of the events; None if the client has left before."""
    answer = None
    for event in events:
        if isinstance(event, Exception):
            raise event
        if event is not None and isinstance(event.data, AnswerModel):
            answer = event.data
    return answer


def _read_json(kind: type[Model]) -> Model:
    if not request.is_json:
        raise UnsupportedMediaType("Send the question as JSON, with Content-Type: application/json.")
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        raise BadRequest("The JSON of the body is nested too deeply.") from None
    if body is None:
        raise BadRequest("The body is not valid JSON.")
    return kind.model_validate(body)


def _query_text(name: str) -> str:
    text = request.args.get(name, "")
    if "\x00" in text:
        raise BadRequest(f"{name} holds the character U+0000, which no path can.")
    return text


def _query_int(name: str, default: int, low: int, high: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return min(max(int(text), low), high)
    except ValueError:
        raise BadRequest(f"{name} must be a whole number, not {text!r}.") from None
