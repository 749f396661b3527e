"""One file per noun: its `add` and `update`, as options.

Takes: what was typed.
Gives: commands for the groups `add` and `update`.
Never: does more than to name what is desired; the verbs are control's.
"""
