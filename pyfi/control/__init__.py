"""The verbs: what people and programs ask of the network.

Takes: settings or a database's login, and names as people type them.
Gives: rows as plain dicts; desired state is written here and nowhere else.
Never: speaks SQL itself, starts anything, or draws on a terminal.
"""
