"""What a refusal or a broken connection means: which error it becomes, and whether trying again can help.

Messages name the setting to look at. The key never gets into one: what a server says is searched for it, and what it
says about a key is not repeated at all.
"""

import re
import ssl

import httpx

from generator.llm import LLMBusy, LLMError, LLMTimeout, LLMUnavailable

# For a server that is busy and does not say for how long.
BUSY_SECONDS = 5.0
_DETAIL_CHARACTERS = 200
_NOISE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class Refused(Exception):
    """No answer this time. `error` is raised in the end; `again`: a later try may succeed, after `wait` seconds."""

    def __init__(
        self, error: LLMError, *, again: bool = False, wait: float | None = None, status: int = 0, detail: str = ""
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.wait = wait
        self.status = status
        self.detail = detail


def without_key(text: str, key: str) -> str:
    """A server's words on one short line, without the key."""
    hidden = text.replace(key, "[key]") if key else text
    line = _NOISE.sub(" ", hidden).strip()
    return line if len(line) <= _DETAIL_CHARACTERS else line[:_DETAIL_CHARACTERS] + "…"


def by_status(host: str, status: int, detail: str, wait: float | None) -> Refused:
    """What a status other than 200 means; `detail` is free of the key."""
    said = f"{status}: {detail}" if detail else f"{status}"
    if status in (429, 503):
        busy = LLMBusy(f"{host} is too busy ({said}): try again later", BUSY_SECONDS if wait is None else wait)
        return Refused(busy, again=True, wait=wait, status=status)
    if status in (500, 502, 504):
        error = LLMUnavailable(f"{host} fails ({said}): look into the log of that server")
        return Refused(error, again=True, wait=wait, status=status)
    advice = {
        401: f"{host} refuses the key (401): check TENKYO_LLM_KEY",
        403: f"{host} denies access (403): check TENKYO_LLM_KEY, and that it may use TENKYO_LLM_MODEL",
        404: f"{host} knows no such model or address ({said}): check TENKYO_LLM_MODEL and TENKYO_LLM",
    }
    message = advice.get(status)
    if message is None and 300 <= status < 400:
        message = f"{host} redirects to another address ({status}): set TENKYO_LLM to that address"
    if message is None:
        message = f"{host} refuses the request ({said}): check TENKYO_LLM_MODEL and its context length"
    return Refused(LLMUnavailable(message), status=status, detail=detail)


def by_transport(host: str, error: httpx.RequestError, connect_seconds: float, *, answering: bool) -> Refused:
    """What a broken connection means; `answering` once the server has begun to answer."""
    if isinstance(error, httpx.ConnectTimeout):
        return Refused(LLMTimeout("connect", connect_seconds))
    if isinstance(error, httpx.ConnectError):
        if _is_tls(error):
            return Refused(LLMUnavailable(f"{host} has no certificate that is trusted here: check TENKYO_LLM"))
        reason = "cannot be reached: start it, or check TENKYO_LLM"
        return Refused(LLMUnavailable(f"{host} {reason}"), again=True)
    if isinstance(error, httpx.ProxyError):
        return Refused(LLMUnavailable(f"the proxy lets nothing through to {host}: check HTTPS_PROXY and NO_PROXY"))
    if answering:
        return Refused(LLMUnavailable(f"{host} broke off in the middle of an answer"))
    # The rest may befall a kept connection, as the server closes it or has left something in it: a new one will do.
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return Refused(LLMUnavailable(f"{host} does not speak HTTP as expected: check TENKYO_LLM"), again=True)
    return Refused(LLMUnavailable(f"{host} closed the connection without an answer: look into its log"), again=True)


def not_the_protocol(host: str, what: str) -> LLMUnavailable:
    """The address answers, but not as such a server does."""
    return LLMUnavailable(f"{host} sent {what}: check that TENKYO_LLM is an OpenAI-compatible server")


def _is_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
