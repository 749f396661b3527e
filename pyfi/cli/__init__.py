"""The command `flow`: parse, call a verb, show what it gives.

Takes: what a person types, and standard input.
Gives: data on stdout, words on stderr, an exit code.
Never: decides or writes anything itself, or shows a password.
"""
