"""The learner engine: what each lane is worth, learned from every fill, expiry, cancel and late markout.

Rule of this package: it is pure and deterministic: outcomes and contexts in, scores out. It never imports
`router` above `router.domain`, nor `venues`.
"""
