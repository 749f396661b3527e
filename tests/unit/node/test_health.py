"""Health is how long ago the last good pass was."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence

import pytest

from pyfi.clock import SystemClock
from pyfi.errors import DatabaseUnavailableError, UnavailableError
from pyfi.node.health import STALE_SECONDS, HealthServer, Watch


class StillClock(SystemClock):
    """Stands until the test moves it."""

    at = 100.0

    def monotonic(self) -> float:
        return self.at


class Duty:
    """A service whose pass does what the test says."""

    name = "duty"
    interval_seconds = 3.0

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.closed = False

    def run_once(self) -> bool:
        if self.error:
            raise self.error
        self.interval_seconds = 1.0
        return True

    def readers(self) -> Sequence[int]:
        return [4]

    def close(self) -> None:
        self.closed = True


def test_a_watch_is_the_service_and_remembers() -> None:
    clock, duty = StillClock(), Duty()
    watch = Watch(duty, clock=clock)
    assert watch.health() == {"ok": True, "age_seconds": 0.0, "reason": "no pass yet"}
    assert (watch.name, watch.interval_seconds, watch.readers()) == ("duty", 3.0, [4])
    assert watch.run_once() is True
    assert watch.interval_seconds == 1.0
    clock.at += STALE_SECONDS - 0.1
    duty.error = DatabaseUnavailableError("no postgresql://joe:canary@h/d")
    with pytest.raises(DatabaseUnavailableError):
        watch.run_once()
    assert watch.health() == {"ok": True, "age_seconds": 59.9, "reason": "no postgresql://joe:***@h/d"}
    clock.at += 0.1
    duty.error = ZeroDivisionError("canary")
    with pytest.raises(ZeroDivisionError):
        watch.run_once()
    assert watch.health() == {"ok": False, "age_seconds": 60.0, "reason": "ZeroDivisionError"}
    watch.close()
    assert duty.closed


def test_one_stale_service_makes_the_node_stale() -> None:
    clock = StillClock()
    watches = [Watch(Duty(), clock=clock), Watch(Duty(), clock=clock)]
    watches[1].name = "other"
    server = HealthServer(watches, port=0)
    try:
        url = f"http://127.0.0.1:{server.port}/health"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert json.load(answer)["status"] == "ok"
        clock.at += STALE_SECONDS
        watches[0].run_once()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url, timeout=5)
        with caught.value as answer:
            assert answer.code == 503
            services = json.load(answer)["services"]
        assert (services["duty"]["ok"], services["other"]["ok"]) == (True, False)
    finally:
        server.close()


def test_a_taken_port_is_told() -> None:
    first = HealthServer([], port=0)
    try:
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{first.port}"):
            HealthServer([], port=first.port)
    finally:
        first.close()
