"""Background flow that passes published tests: queue-reactive events, their calibration, and what they must show.

Rule of this package: flow is drawn from counter-based streams and from the book it is shown, and from nothing else.
"""
