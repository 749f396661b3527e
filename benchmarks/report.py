"""The table in README.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.bench import Row
from benchmarks.measure import MIB, Series
from pyfi.clock import SYSTEM

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
PACKAGES = ("pyfi", "celery", "kombu", "amqp", "redis", "psycopg2-binary")


def number(value: float) -> str:
    """Three or more digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def side(series: Series | None) -> str:
    """The median and, of several repeats, the range."""
    if series is None:
        return ""
    low, high = min(series.values), max(series.values)
    spread = f" ({number(low)} to {number(high)})" if len(series.values) > 1 else ""
    return f"{number(series.median)}{spread}"


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| figure | ratio | goal | pyfi | against | peer | unit |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"**{row.ratio:.2f} x**"
        cells = (row.figure, ratio or row.note, row.goal, side(row.ours), row.peer, side(row.theirs), row.unit)
        lines.append(f"| {' | '.join(cells)} |".replace("  ", " "))
    return "\n".join(lines)


def circumstances(command: str, servers: Sequence[str], loads: tuple[float, float], seconds: float) -> str:
    """Where, when and with what the figures were measured. loads: of one minute, before and after."""
    memory = psutil.virtual_memory().total / MIB / 1024
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"* `{command}`, {SYSTEM.now():%Y-%m-%d %H:%M} UTC, {seconds:.0f} s; load average {loads[0]:.2f} before,"
            f" {loads[1]:.2f} after",
            f"* {os.cpu_count()} CPUs ({_cpu()}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}",
            f"* {', '.join(servers)}",
            f"* {versions}",
        ]
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(text: str) -> None:
    """Replace what stands between the two markers."""
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
