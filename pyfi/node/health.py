"""The node's real health, as numbers and over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pyfi import logs
from pyfi.clock import SYSTEM, Clock
from pyfi.errors import PyfiError, UnavailableError
from pyfi.service import Service

log = logs.get(__name__)

STALE_SECONDS = 60.0  # longer than the slowest poll with its jitter, and than the loop's longest backoff


class Watch:
    """A service that also remembers when a pass last ended well."""

    def __init__(self, service: Service, *, clock: Clock = SYSTEM) -> None:
        """Wraps `service`."""
        self.name, self.interval_seconds = service.name, service.interval_seconds
        self._service, self._clock = service, clock
        self._good = clock.monotonic()
        self._reason = "no pass yet"

    def run_once(self) -> bool:
        """One pass of the service."""
        try:
            more = self._service.run_once()
        except PyfiError as error:
            self._reason = logs.masked(error.message)
            raise
        except Exception as error:
            self._reason = type(error).__name__
            raise
        self.interval_seconds = self._service.interval_seconds
        self._good, self._reason = self._clock.monotonic(), ""
        return more

    def readers(self) -> Sequence[int]:
        """The service's."""
        return self._service.readers()

    def close(self) -> None:
        """The service's."""
        self._service.close()

    def health(self) -> dict[str, Any]:
        """age_seconds: since the last good pass. reason: why the last pass was not good, '' when it was."""
        age = self._clock.monotonic() - self._good
        return {"ok": age < STALE_SECONDS, "age_seconds": round(age, 1), "reason": self._reason}


class HealthServer:
    """GET /health: 200 while every service's last good pass is fresh, else 503; JSON says which is not and why."""

    def __init__(self, watches: Sequence[Watch], *, port: int, host: str = "127.0.0.1") -> None:
        """Listens at once. `port` 0 takes a free one, see `port`.

        Raises: UnavailableError: the port is taken or not allowed.
        """
        self._watches = tuple(watches)
        server = self

        class Answer(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:  # the name that http.server calls
                if self.path.partition("?")[0] not in {"/", "/health"}:
                    self.send_error(404)
                    return
                document = server.document()
                body = json.dumps(document).encode() + b"\n"
                self.send_response(200 if document["status"] == "ok" else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
                log.debug("health asked", extra={"request": format % args})

        try:
            self._http = ThreadingHTTPServer((host, port), Answer)
        except (OSError, OverflowError) as error:
            raise UnavailableError(
                f"the health port {host}:{port} cannot be opened: {error}", hint="choose another one with -p"
            ) from error
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, name="health", daemon=True)
        self._thread.start()

    def document(self) -> dict[str, Any]:
        """What /health answers."""
        services = {watch.name: watch.health() for watch in self._watches}
        status = "ok" if all(each["ok"] for each in services.values()) else "stale"
        return {"status": status, "services": services}

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
