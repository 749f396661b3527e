"""`--watch`: the same again, until interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from pyfi.clock import SYSTEM, Clock

EVERY_SECONDS = 2.0


def watch(draw: Callable[[], None], *, clock: Clock = SYSTEM) -> None:
    """Draw again and again; a terminal is cleared in between."""
    while True:
        if sys.stdout.isatty():
            click.clear()
        draw()
        sys.stdout.flush()
        clock.sleep(EVERY_SECONDS)
