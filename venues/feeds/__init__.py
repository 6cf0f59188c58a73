"""Feed handlers: recorded formats to arrays of our units.

Rule of this package: what does not parse is refused with file and record, what is passed over is counted by reason.
"""
