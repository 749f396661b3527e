"""The user's code: where it comes from, what it runs in, and the process that runs it.

Takes: a repository's URL and a commit, what to install; then calls as bytes.
Gives: a checkout, a virtualenv, and a guest that answers each call with one outcome.
Never: reads the database, speaks to the broker, or imports a user's module into our own process.
"""
