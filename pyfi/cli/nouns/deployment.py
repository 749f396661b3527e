"""add deployment, update deployment."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.nouns.node import this_machine
from pyfi.cli.nouns.processor import Cpus
from pyfi.cli.options import id_option, network_option


@click.command("deployment")
@click.option("-n", "--name", "processor", required=True, help="Name of the processor.")
@click.option("-h", "--hostname", "node", required=True, help="Node, or the hostname of its machine.")
@click.option("-c", "--cpus", type=Cpus(), default=1, show_default=True, help="CPUs to occupy there.")
@network_option
@pass_invocation
def add(invocation: Invocation, processor: str, node: str, cpus: int, network: str | None) -> None:
    """Add deployment of a processor to a node.

    Example: flow add deployment -n proc1 -h node1 -c 2
    """
    written.add(invocation, "deployment", processor=processor, node=this_machine(node), cpus=cpus, network=network)


@click.command("deployment")
@click.option("-n", "--name", help="Name of the deployment: processor@node.")
@id_option("deployment")
@click.option("-c", "--cpus", type=Cpus(), required=True, help="CPUs to occupy there.")
@network_option
@pass_invocation
def update(invocation: Invocation, name: str | None, id_: str | None, cpus: int, network: str | None) -> None:
    """Update a deployment.

    Example: flow update deployment -n proc1@node1 -c 3
    """
    written.update(invocation, "deployment", name=name, id_=id_, network=network, cpus=cpus)
