"""Asking services of the outside: what passes is tried again, what lasts is left alone, and in time."""

import time
from datetime import timedelta
from email.utils import format_datetime
from threading import Thread

import pytest

from marketplace import clock
from marketplace.adapters import http
from marketplace.adapters.cache import Cache
from marketplace.adapters.http import Unavailable
from tests.support.services import free_port


@pytest.fixture
def ask(service):
    """Ask the local service."""

    def get(*, timeout: float = 5.0, **options) -> http.Answer:
        return http.get(f"http://{service.host}/x", timeout=timeout, **options)

    return get


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_tried_again(service, ask, status):
    service.first = [status, status]
    service.answer({"found": True})
    assert ask().body == b'{"found": true}'
    assert len(service.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
def test_a_refusal_is_an_answer_and_is_not_asked_for_twice(service, ask, status):
    service.status = status
    assert (ask().status, ask().is_ok) == (status, False)
    assert len(service.asked) == 2


def test_it_gives_up_after_a_few_tries(service, ask):
    service.status = 503
    with pytest.raises(Unavailable, match="503"):
        ask()
    assert len(service.asked) == http.TRIES


def test_it_waits_as_long_as_the_service_asks(service, ask):
    service.first = [429]
    service.headers = {"Retry-After": "1"}
    began = time.monotonic()
    ask()
    assert 1 <= time.monotonic() - began < 3


def test_it_does_not_wait_when_the_service_asks_for_more_than_there_is(service, ask):
    service.status = 429
    service.headers = {"Retry-After": "120"}
    began = time.monotonic()
    with pytest.raises(Unavailable, match="429"):
        ask(timeout=2)
    assert time.monotonic() - began < 1
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("3", 3), ("date", 60), ("past", 0), ("soon", None), ("-1", None), ("", None), ("9" * 400, 999_999_999)],
)
def test_what_a_service_asks_to_wait_is_read(told, seconds):
    now = clock.now()
    dates = {"date": format_datetime(now + timedelta(minutes=1)), "past": format_datetime(now)}
    answer = http.httpx.Response(429, headers={"Retry-After": dates.get(told, told)})
    read = http._asked_wait(answer)
    assert read == (pytest.approx(seconds, abs=3) if seconds is not None else None)


def test_a_slow_service_is_not_waited_for_longer_than_said(service, ask):
    service.delay = 5
    began = time.monotonic()
    with pytest.raises(Unavailable, match="ReadTimeout"):
        ask(timeout=0.3)
    assert time.monotonic() - began < 2


def test_an_answer_drop_by_drop_is_not_waited_for(service, ask):
    service.answer(b"x" * 1000)
    service.drip = 0.02
    began = time.monotonic()
    with pytest.raises(Unavailable):
        ask(timeout=0.3)
    assert time.monotonic() - began < 5


def test_an_endless_answer_is_not_read_to_its_end(service, ask):
    service.answer(b"x" * 50_000)
    with pytest.raises(Unavailable, match="too long"):
        ask(max_bytes=10_000)


def test_a_service_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable, match="ConnectError"):
        http.get(f"http://127.0.0.1:{free_port()}/", timeout=0.5)


def test_what_changes_something_is_sent_once(service):
    # The local service knows no POST, and says so with a status of its own.
    with pytest.raises(Unavailable, match="501"):
        http.post(f"http://{service.host}/x", data={"a": "b"}, timeout=5)


def test_a_service_that_keeps_failing_is_left_alone_then_tried_once(service, ask, monkeypatch):
    monkeypatch.setattr(http, "REST_SECONDS", 0.5)
    service.headers, service.status = {"Retry-After": "60"}, 503
    for _ in range(http.FAILURES_MAX):
        with pytest.raises(Unavailable, match="503"):
            ask(timeout=1)
    asked = len(service.asked)
    with pytest.raises(Unavailable, match="left alone"):
        ask(timeout=1)
    assert len(service.asked) == asked
    time.sleep(0.6)
    service.status = 200
    assert ask().is_ok
    assert ask().is_ok


def test_one_thread_does_not_wait_for_the_answer_of_another(service, ask):
    service.delay = 0.5
    began = time.monotonic()
    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1.5


# --- What is remembered ---


def test_a_memory_keeps_the_last_values_only():
    cache = Cache(seconds=60, size=2)
    for number in range(3):
        cache.put(number, str(number))
    assert [cache.get(number) for number in range(3)] == [None, "1", "2"]
    cache.forget(1)
    assert cache.get(1) is None


def test_a_memory_forgets_after_its_time(monkeypatch):
    cache = Cache(seconds=60, size=2)
    cache.put("a", "b")
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert cache.get("a") is None
