"""The shell of one process: scenarios, virtual time, the network's faults, the evaluation, the run's output.

Rule of this package: it performs what the engines decide, and adds no rule of its own about orders. The hidden
state of venues is read here, by the evaluation, and goes no further.
"""
