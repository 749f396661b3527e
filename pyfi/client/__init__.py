"""PyFI from Python: objects by constructor, and calls as ordinary calls.

Takes: names, as on the command line, and arguments that JSON can say.
Gives: results, handles of calls, rows as dicts.
Never: runs a user's function here, or connects before it is used.
"""
