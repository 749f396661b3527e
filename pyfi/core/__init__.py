"""What should be done.

Takes: frozen records of what is desired and what was seen, and the time as an argument.
Gives: decisions as values (actions, names, bids, delays).
Never: does anything: no I/O, no clock, no chance, no log.
"""
