"""The OpenAPI 3.1 document, made from the route table and the pydantic models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.schemas import Problem

_TEMPLATE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; those in the path are found by themselves."""

    name: str
    description: str
    schema: dict[str, object]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the REST interface. `streams` adds text/event-stream; `errors` are its problem statuses."""

    method: str
    path: str
    endpoint: str
    summary: str
    response: type[BaseModel]
    request: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    streams: bool = False

    @property
    def flask_path(self) -> str:
        """The path as Flask writes it."""
        return re.sub(r"\{(\w+)\}", r"<\1>", self.path)


def openapi_document(routes: Sequence[Route], description: str) -> dict[str, Any]:
    """The whole document."""
    models = {route.response for route in routes} | {route.request for route in routes if route.request} | {Problem}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "serialization") for model in ordered], ref_template=_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tenkyo",
            "version": version("tenkyo"),
            "description": description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _reference(route.response)}}
    if route.streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    responses: dict[str, Any] = {"200": {"description": _first_line(route.response), "content": content}}
    for status in route.errors:
        responses[str(status)] = {
            "description": "Problem",
            "content": {"application/problem+json": {"schema": _reference(Problem)}},
        }
    operation: dict[str, Any] = {"operationId": route.endpoint, "summary": route.summary, "responses": responses}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [
        {"name": p.name, "in": "query", "required": False, "description": p.description, "schema": p.schema}
        for p in route.parameters
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.request:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.request)}},
        }
    return operation


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0]
