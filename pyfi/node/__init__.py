"""What one node's process runs: the agent, and beside it the services that the network needs.

Takes: settings, a node's name, services.
Gives: one process, stopped by a signal in an order that loses nothing, with its real health on a port.
Never: decides anything about workers or calls.
"""
