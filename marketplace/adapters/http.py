"""Asking services of the outside over HTTP: never longer than said, never more than said.

A call that fails for a reason that passes is tried again with a random wait, inside the same time. A service
that keeps failing is left alone for a while, so that pages do not wait for it one after the other.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pybreaker
import tenacity

from marketplace import clock

TRIES = 3
# Full jitter (Brooker 2015), in seconds.
_JITTER = tenacity.wait_random_exponential(multiplier=0.1, max=0.5)
FAILURES_MAX, REST_SECONDS = 5, 30
ANSWER_MAX_BYTES = 1_000_000
_OK, _SERVER_ERROR, _TOO_MANY = 200, 500, 429
_breakers: dict[str, pybreaker.CircuitBreaker] = {}
_making = threading.Lock()


class Unavailable(Exception):
    """The service does not answer, or says that it cannot."""


class _Passing(Unavailable):
    """A failure that may be over in a moment. `wait`: seconds that the service asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said; a refusal (status 4xx) is an answer too."""

    status: int
    body: bytes
    content_type: str

    @property
    def is_ok(self) -> bool:
        return self.status == _OK


def get(
    url: str,
    *,
    timeout: float,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = ANSWER_MAX_BYTES,
) -> Answer:
    """Return the answer within `timeout` seconds, tries and waits included. Raises Unavailable."""
    until = time.monotonic() + timeout
    request = {"method": "GET", "url": url, "params": params, "headers": headers}
    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_Passing),
        stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_before_delay(timeout),
        wait=_wait,
        reraise=True,
    )
    return _guarded(url, lambda: tries(_ask, request, until, max_bytes))


def post(
    url: str,
    *,
    timeout: float,
    data: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
    max_bytes: int = ANSWER_MAX_BYTES,
) -> Answer:
    """Send a form once: what it does must not be done twice. Raises Unavailable."""
    until = time.monotonic() + timeout
    request = {"method": "POST", "url": url, "data": data, "headers": headers}
    return _guarded(url, lambda: _ask(request, until, max_bytes))


def with_query(url: str, params: Mapping[str, str]) -> str:
    """Return the address with these parameters added to its own."""
    return str(httpx.URL(url).copy_merge_params(dict(params)))


def _guarded(url: str, act: Callable[[], Answer]) -> Answer:
    """Run `act` unless the service rests; count its failures."""
    breaker = _breaker(url)
    try:
        # Not breaker.call(): it holds its lock, and with it every other thread, until the answer.
        with breaker.calling():
            return act()
    except pybreaker.CircuitBreakerError as error:
        cause = error.__cause__ or error.__context__
        raise cause if isinstance(cause, Unavailable) else Unavailable("left alone after failures") from error


def _breaker(url: str) -> pybreaker.CircuitBreaker:
    host = urlsplit(url).netloc
    with _making:
        if host not in _breakers:
            _breakers[host] = pybreaker.CircuitBreaker(
                fail_max=FAILURES_MAX, reset_timeout=REST_SECONDS, name=host
            )
        return _breakers[host]


def _ask(request: dict[str, Any], until: float, max_bytes: int) -> Answer:
    left = until - time.monotonic()
    if left <= 0:
        raise Unavailable("no time left")
    body = bytearray()
    try:
        with httpx.stream(timeout=left, follow_redirects=False, **request) as answer:
            if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
                raise _Passing(f"status {answer.status_code}", _asked_wait(answer))
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > max_bytes or time.monotonic() > until:
                    raise Unavailable("the answer is too long, or too slow")
    except httpx.TransportError as error:
        raise _Passing(f"{type(error).__name__}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
    return Answer(answer.status_code, bytes(body), answer.headers.get("content-type", ""))


def _asked_wait(answer: httpx.Response) -> float | None:
    """Return the seconds of Retry-After (RFC 9110, 10.2.3), a number or a date."""
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait as long as the service asks, else a random moment."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _Passing) else None
    return asked if asked is not None else float(_JITTER(state))
