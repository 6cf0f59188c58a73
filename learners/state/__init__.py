"""What a learner remembers: additive sums that shards merge exactly, and the outcomes already counted.

Rule of this package: state is owned by one writer, decays by event time alone and has a digest.
"""
