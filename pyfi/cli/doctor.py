"""`flow doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pyfi.cli import render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.logs import masked, printable

if TYPE_CHECKING:
    from pyfi.control.conservation import Law

MARKS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}


@click.command("doctor")
@click.option("--ledger", is_flag=True, help="Check the conservation laws of the ledger instead: that no call is lost.")
@output_option
@pass_invocation
def doctor(invocation: Invocation, ledger: bool, output: str | None) -> None:
    """Check what PyFI needs on this machine; exit 1 if something is missing.

    Example: flow doctor
    """
    output = output or invocation.output
    sound = _ledger(invocation, output) if ledger else _machine(invocation, output)
    if not sound:
        raise click.exceptions.Exit(1)


def _machine(invocation: Invocation, output: str | None) -> bool:
    from pyfi.control.health import FAILURE, examine

    findings = examine(invocation.settings())
    if not _is_data(findings, output):
        for each in findings:
            click.echo(printable(masked(f"{MARKS[each.level]}  {each.subject}: {each.text}")))
            if each.hint and each.level != "ok":
                click.echo(printable(masked(f"      hint: {each.hint}")))
    return all(each.level != FAILURE for each in findings)


def _ledger(invocation: Invocation, output: str | None) -> bool:
    from pyfi.control.conservation import judged

    laws = judged(invocation.settings())
    if not _is_data(laws, output):
        for each in laws:
            click.echo(_line(each))
    return all(each.violations == 0 for each in laws)


def _line(law: Law) -> str:
    if not law.violations:
        return f"{MARKS['ok']}  {law.law}"
    more = ", ..." if law.violations > len(law.examples) else ""
    return f"{MARKS['failure']}  {law.law}: not so for {law.violations} ({', '.join(law.examples)}{more})"


def _is_data(found: Sequence[Any], output: str | None) -> bool:
    """Print it as JSON or YAML if that was asked for."""
    from dataclasses import asdict

    if output not in {"json", "yaml"}:
        return False
    render_as = render.as_json if output == "json" else render.as_yaml
    click.echo(render_as([asdict(each) for each in found]))
    return True
