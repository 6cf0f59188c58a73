"""The shells on Ray: plain classes, wrapped once, started, named, watched and restarted by one supervisor.

Rule of this package: an actor has no `if` about orders; what it hosts comes back from its journal alone.
"""
