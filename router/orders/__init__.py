"""Life cycles of parents and children, and the host loop that makes them durable before they act.

Rule of this package: state changes by events through `apply`; nothing leaves before its intent is journaled.
"""
