"""The words every floor above speaks: orders, reports, market data, scores, events, units, errors.

Rule of this package: it imports nothing of ours but itself, and its messages are frozen.
"""
