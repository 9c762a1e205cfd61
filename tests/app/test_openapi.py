"""The description of the interface describes the interface that there is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from app.api import ROUTES
from app.openapi import Route
from app.schemas import AnswerModel, AskRequest, Problem

PAGES = {"/", "/docs", "/openapi.json", "/static/<path:filename>"}
FORMS = {"string", "integer", "number", "boolean", "array", "object", "null"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    found: dict[str, Any] = response.get_json()
    return found


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def test_it_is_an_openapi_3_1_document(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert set(document) <= {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described(document: dict[str, Any], route: Route) -> None:
    operation = document["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    assert set(operation["responses"]) == {"200", *map(str, route.errors)}
    in_path = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
    assert in_path == re.findall(r"{(\w+)}", route.path)
    assert ("requestBody" in operation) == (route.request is not None)
    for status, response in operation["responses"].items():
        assert response["description"]
        assert ("application/json" if status == "200" else "application/problem+json") in response["content"]


def test_nothing_is_described_twice_or_without_a_route(document: dict[str, Any]) -> None:
    described = {(method, path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method.lower(), route.path) for route in ROUTES}
    operations = [item[method]["operationId"] for item in document["paths"].values() for method in item]
    assert len(operations) == len(set(operations))


def test_every_route_of_the_application_is_in_the_table_or_a_page(client: FlaskClient) -> None:
    served = {(method, rule.rule) for rule in client.application.url_map.iter_rules() for method in rule.methods or ()}
    expected = {(route.method, route.flask_path) for route in ROUTES}
    assert expected <= served
    unexplained = {(m, rule) for m, rule in served if m not in ("HEAD", "OPTIONS") and rule not in PAGES} - expected
    assert unexplained == set()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [node["$ref"] for node in walk(document) if "$ref" in node]
    assert references
    for reference in references:
        node: Any = document
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            node = node[part]
        assert node


def test_every_schema_has_known_types(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        for node in walk(schema):
            if "type" in node and isinstance(node["type"], str):
                assert node["type"] in FORMS
            if "properties" in node:
                assert set(node.get("required", [])) <= set(node["properties"])


def test_the_schema_of_an_answer_requires_every_key(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["AnswerModel"]["required"]) == set(AnswerModel.model_fields)
    assert set(schemas["Problem"]["required"]) == set(Problem.model_fields)


def test_a_request_needs_only_the_question(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["AskRequest"]
    assert schema["required"] == ["question"], "a client that is made from this must not have to send the rest"
    assert set(schema["properties"]) == set(AskRequest.model_fields)
    assert schema["additionalProperties"] is False
    TypeAdapter(AskRequest).validate_python({"question": "x"})


def test_what_the_routes_answer_is_what_their_schema_requires(client: FlaskClient, document: dict[str, Any]) -> None:
    listed = client.get("/documents").get_json()["documents"][0]
    answer = client.post("/ask", json={"question": "hotel in London"}).get_json()
    paths = {"/documents/{document_id}": listed["document_id"], "/answers/{answer_id}": answer["id"]}
    for route in ROUTES:
        if route.method != "GET":
            continue
        path = re.sub(r"{\w+}", paths.get(route.path, ""), route.path)
        body = client.get(path).get_json()
        schema = document["components"]["schemas"][route.response.__name__]
        assert set(body) == set(schema["properties"]) == set(schema["required"])
