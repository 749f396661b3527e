"""The embedded Postgres and Valkey behind `flow up`: for a first try, a demo and tests; nothing to install but wheels.

Takes: the data folder.
Gives: two running servers of this user's own, their URLs in stack/stack.json, data that survive `flow down`.
Never: makes system users, opens other folders' permissions, listens beyond 127.0.0.1, or shows a password in an argv.
"""
