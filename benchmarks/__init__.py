"""Speed and memory against peers, as ratios of one run.

Takes: Postgres, a broker and Redis; makes a database, roles and queues of its own there.
Gives: the table in benchmarks/README.md.
Never: asserts a time; leaves a process, database, role or queue behind.
"""
