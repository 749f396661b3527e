"""Secrets' values in what is shown: replaced by ***."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pyfi.runner.frames import OK, Done, Frame, LoadFailed, Log

SHORTEST = 4  # shorter values are words of everything
_SHOWN = "***"


class Mask:
    """Knows some values. False when it knows none: then there is nothing to do."""

    def __init__(self, values: Iterable[str]) -> None:
        """`values`: of the secrets; each line of one that has several counts as well."""
        known = {part for value in values for part in (value, *value.splitlines()) if len(part) >= SHORTEST}
        # Longest first: one may hold another.
        self._texts = sorted(known, key=len, reverse=True)
        escaped = (
            json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in self._texts for ascii_only in (True, False)
        )
        self._bytes = sorted({each.encode() for each in escaped}, key=len, reverse=True)

    def __bool__(self) -> bool:
        """Whether it knows a value."""
        return bool(self._texts)

    def text(self, text: str) -> str:
        """`text` without them."""
        for value in self._texts:
            text = text.replace(value, _SHOWN)
        return text

    def document(self, document: bytes) -> bytes:
        """JSON without them."""
        for value in self._bytes:
            document = document.replace(value, _SHOWN.encode())
        return document

    def frame(self, frame: Frame) -> Frame:
        """What a guest says, without them: its log and its errors. A result is the function's own affair."""
        match frame:
            case Log():
                return frame._replace(text=self.text(frame.text))
            case Done(outcome=outcome) if outcome != OK:
                return frame._replace(first=self.document(frame.first))
            case LoadFailed():
                return LoadFailed(self.text(frame.type), self.text(frame.message), self.text(frame.traceback))
            case _:
                return frame
