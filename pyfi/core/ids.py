"""Ids of calls."""

from __future__ import annotations

from uuid import UUID


def uuid7(milliseconds: int, random_bits: int) -> UUID:
    """A uuid of version 7: ids sort by the time they were made.

    Args: milliseconds: since 1970, 48 bits. random_bits: at least 74 random bits.
    Source: RFC 9562, section 5.7.
    """
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= ((random_bits >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)
