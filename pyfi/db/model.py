"""How rows become JSON. The name is the founding documents': `from pyfi.db.model import AlchemyEncoder`."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID


class AlchemyEncoder(json.JSONEncoder):
    """Ids as text, times as ISO 8601 with their offset, durations in seconds, decimals as numbers, bytes as hex."""

    def default(self, o: object) -> object:
        """What json itself does not know."""
        if isinstance(o, UUID):
            return str(o)
        if isinstance(o, datetime | date):
            return o.isoformat()
        if isinstance(o, timedelta):
            return o.total_seconds()
        if isinstance(o, Decimal):
            return float(o)
        if isinstance(o, bytes | memoryview):
            return bytes(o).hex()
        return super().default(o)
