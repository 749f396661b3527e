"""The operating system's processes and locks.

Takes: an argv list, an environment, limits.
Gives: children, identities that survive a crash of ours, signals that never hit a stranger, file locks.
Never: decides what should run, and never signals a bare process id.
"""
