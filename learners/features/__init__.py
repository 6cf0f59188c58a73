"""What learners see of the market: one finite feature row per lane, from quotes, prints, tiers and own fills.

Rule of this package: a feature depends on facts and their times alone, never on how the facts were split into
windows, and it is finite whatever the facts were.
"""
