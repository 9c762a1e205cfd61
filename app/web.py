"""The Flask application: routes, pages, error handling and security headers put together."""

import logging

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.api import register_api
from app.pages import register_pages
from app.problems import problem_of
from app.service import Service

MAX_BODY_BYTES = 256 * 1024
_RETRY_SECONDS = 5
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_log = logging.getLogger(__name__)


def create_app(service: Service) -> Flask:
    """A WSGI application around one service."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    register_api(app, service)
    register_pages(app, service)
    app.register_error_handler(Exception, _problem_response)
    app.after_request(_add_security_headers)
    return app


def _problem_response(error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status >= 500 and not isinstance(error, HTTPException):
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
    offered = ["application/problem+json", "application/json", "text/html"]
    if request.accept_mimetypes.best_match(offered) == "text/html":
        response = Response(render_template("error.html", problem=problem), problem.status, content_type="text/html")
    else:
        response = Response(problem.model_dump_json(), problem.status, content_type="application/problem+json")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    if problem.status == 503:
        response.headers["Retry-After"] = str(problem.retry_after or _RETRY_SECONDS)
    return response


def _add_security_headers(response: Response) -> Response:
    response.headers.update(_SECURITY_HEADERS)
    response.vary.update(("Accept", "Accept-Language"))
    return response
