"""PyFI: a reactive, distributed network of agents that runs your Python functions.

One sentence: a verb writes what is desired into Postgres; the agent on each node wakes, observes,
plans, applies and reports; a call is entered in the ledger and its wake-up goes to the socket's queue;
a Celery worker claims it, its guest runs the user's function in the processor's own virtualenv, one
transaction finishes it together with the calls that its plugs make; the faces show it.

The picture, room by room: docs/explanation/architecture.md.
"""

__version__ = "0.1.0"
