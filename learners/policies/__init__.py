"""Policies: what to believe of each lane, or where to send, learned from outcomes and judged by one examiner.

Rule of this package: a policy sees contexts and outcomes alone, refuses what is not finite before it touches anything,
and gives the same scores for the same outcomes in the same order. Build them with `build_policy`.
"""
