"""The source of truth: tables, sessions, policies, migrations.

Takes: URLs and core's records.
Gives: sessions of a login under row-level security, and errors of pyfi instead of the driver's.
Never: hands a row to a room above without its session, and never logs in as a superuser but for init and migrate.
"""
