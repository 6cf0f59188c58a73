"""How a policy comes to route: from replay over shadow and canary to live, and back at once when it does harm.

Rule of this package: what is decided follows from outcomes, their event times and what people asked for, each with who
and why; nothing here reads a clock, so that a release can be replayed to the bit.
"""
