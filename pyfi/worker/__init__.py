"""The Celery worker of one CPU of a deployment.

Takes: a configuration file by argv, wake-ups from the broker, calls from the ledger's claim.
Gives: outcomes, in turns of one statement and one commit; the calls' output.
Never: waits in its event loop for the guest, the database or the disk; never imports SQLAlchemy or the verbs.
"""
