"""The lane model: what every lane is worth, as arrays, from censored, late and discounted outcomes.

Rule of this package: all that is learned is additive sums in event time; a prior is added when they are read and never
decays. Rows are lanes, then the groups (tactics) they lean on; the router's policy, the River adapters and the
benchmarks all learn with this one model and one configuration.
"""
