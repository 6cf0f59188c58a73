"""The router engine: how much now, where and how, for one parent order at a time.

Rule of this package: it is pure. It knows no clock, chance, thread, network, log or actor; time and
facts come in as arguments, events and commands go out as values. It never imports `venues` or `learners`.
"""
