"""The venue engines: books, venue types, and the small models they are composed of.

Rule of this package: every venue is deterministic: messages and time in, reports and market data out. It never
imports `router` above `router.domain`, nor `learners`.
"""
