"""The life of a call: entered, published, claimed, finished together with its children, swept.

Takes: sockets, arguments, call ids.
Gives: outcomes, wake-ups, log lines; the relay and the sweeper as services.
Never: writes a table: the ledger's SQL functions do; never imports SQLAlchemy, since workers are to stay small.
"""
