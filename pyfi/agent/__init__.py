"""The reconcile pass of one node: observe, plan, apply, report.

Takes: what `agent.desired` says, the node's folder, the processes in it.
Gives: workers that run, environments that stand, rows that say how they are.
Never: decides (core does), imports a user's code, signals a process that it cannot identify.
"""
