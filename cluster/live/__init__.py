"""The live shell: a market's time on the wall clock, the desk that accepts orders, and what brings both up.

Rule of this package: only here does a clock move a run; what came in and when is recorded, so that the same run can be
played again without one.
"""
