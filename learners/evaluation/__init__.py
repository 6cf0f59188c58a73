"""Judging a policy from what another one logged: rounds, estimators, the verdict.

Rule of this package: pure numpy over logged decisions; whoever reads a run or a journal makes the rounds elsewhere.
"""
