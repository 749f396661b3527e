"""`python -m tests.faults.submitter DATABASE BROKER|- SOCKET`: a client in a process of its own, which may be killed.

Reads {id: arguments} as JSON. The same ids again are the same calls.
"""

from __future__ import annotations

import json
import sys
from uuid import UUID

from pyfi.core.urls import parse_database
from pyfi.ledger.calls import Calls


def main() -> None:
    """Submit, and end."""
    database, broker, socket = sys.argv[1:]
    told: dict[str, str] = json.load(sys.stdin)
    calls = Calls(parse_database(database), None if broker == "-" else broker)
    calls.submit(UUID(socket), list(told.values()), [UUID(each) for each in told])
    calls.close()


if __name__ == "__main__":
    main()
