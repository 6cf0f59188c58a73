"""The venue types, each a deterministic engine behind `venues.venue.Venue`, and the order desk they share.

Rule of this package: a venue type keeps its market; what it says about our orders goes through `desk`.
"""
