"""Where a slice goes: the lanes that may be used, the quantity each gets, and the child order each becomes.

Rule of this package: an allocation never exceeds its slice or a lane's bounds, and what a policy believes can make
it smaller but never break it: a score that is not a finite number gets nothing.
"""
