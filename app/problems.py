"""The one place where errors become HTTP problems (RFC 9457) and exit codes."""

import math
import sqlite3
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from app.errors import ConfigurationProblem, DatabaseProblem
from app.schemas import Problem
from app.service import Gone, NotFound
from generator.errors import InvalidQuestion
from generator.llm import LLMBusy, LLMError, LLMTimeout, LLMUnavailable
from generator.prompt import PromptProblem
from indexer.errors import EmbedderProblem, IndexBusy, IndexDamaged, IndexerError, SourceProblem, StorageProblem
from retriever.errors import EmbedderMismatch, UnknownCollection

EXIT_DAMAGED = 1
EXIT_USAGE = 2
EXIT_SOME_FAILED = 3
EXIT_ABSTAINED = 4
EXIT_UNAVAILABLE = 5
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Kind:
    slug: str
    title: str
    status: int
    exit_code: int


_KINDS: dict[type[Exception], _Kind] = {
    InvalidQuestion: _Kind("invalid-question", "The question cannot be asked", 422, EXIT_USAGE),
    UnknownCollection: _Kind("unknown-collection", "Unknown collection", 404, EXIT_USAGE),
    NotFound: _Kind("not-found", "Not found", 404, EXIT_USAGE),
    Gone: _Kind("gone", "Forgotten", 410, EXIT_USAGE),
    SourceProblem: _Kind("source", "The folder cannot be indexed", 422, EXIT_USAGE),
    ConfigurationProblem: _Kind("configuration", "Bad setting", 500, EXIT_USAGE),
    EmbedderMismatch: _Kind(
        "embedder-mismatch", "The index was built with another embedding model", 503, EXIT_UNAVAILABLE
    ),
    EmbedderProblem: _Kind("embedder", "The embedding model cannot be used", 503, EXIT_UNAVAILABLE),
    IndexDamaged: _Kind("index-damaged", "The index is damaged", 503, EXIT_UNAVAILABLE),
    IndexBusy: _Kind("index-busy", "The index is being written", 503, EXIT_UNAVAILABLE),
    StorageProblem: _Kind("storage", "The data folder cannot be written", 503, EXIT_UNAVAILABLE),
    LLMBusy: _Kind("llm-busy", "The language model is busy", 503, EXIT_UNAVAILABLE),
    LLMTimeout: _Kind("llm-timeout", "The language model took too long", 504, EXIT_UNAVAILABLE),
    LLMUnavailable: _Kind("llm-unavailable", "The language model cannot be used", 503, EXIT_UNAVAILABLE),
    LLMError: _Kind("llm", "The language model failed", 503, EXIT_UNAVAILABLE),
    PromptProblem: _Kind("prompt", "A prompt file cannot be used", 500, EXIT_USAGE),
    IndexerError: _Kind("indexer", "Indexing failed", 500, EXIT_UNAVAILABLE),
    DatabaseProblem: _Kind("database", "The database cannot be used", 503, EXIT_UNAVAILABLE),
    DBAPIError: _Kind("database", "The database cannot be used", 503, EXIT_UNAVAILABLE),
}

KNOWN_ERRORS = tuple(_KINDS)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is to a client. Unknown errors say nothing of their inside: the log has it."""
    if isinstance(error, HTTPException):
        return _problem("about:blank", error.name, error.code or 500, error.description or error.name)
    if isinstance(error, ValidationError):
        detail = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        return _problem("tenkyo:invalid-request", "The request is not valid", 422, detail)
    kind = _kind_of(error)
    if kind is None:
        detail = "Something went wrong on our side and has been logged. Nothing was lost."
        return _problem("tenkyo:internal", "Internal error", 500, detail)
    wait = math.ceil(error.retry_after) if isinstance(error, LLMBusy) else None
    return _problem(f"tenkyo:{kind.slug}", kind.title, kind.status, message_of(error), wait)


def exit_code_of(error: Exception) -> int:
    """The exit code of the command line for an error of KNOWN_ERRORS."""
    kind = _kind_of(error)
    return kind.exit_code if kind else 1


def message_of(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return (
            f"the embedded database failed: {error.orig}. What was stored stays stored: make room, or end what locks "
            "it, then try again. `tenkyo check` says whether it is damaged."
        )
    if isinstance(error, DBAPIError):
        return f"the database failed: {error.orig}. Check that it is running and reachable, then try again."
    return str(error)


def _kind_of(error: Exception) -> _Kind | None:
    return next((_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS), None)


def _problem(name: str, title: str, status: int, detail: str, retry_after: int | None = None) -> Problem:
    return Problem(type=name, title=title, status=status, detail=detail, retry_after=retry_after)
