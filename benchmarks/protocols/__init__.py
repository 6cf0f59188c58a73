"""The learning benchmarks: worlds with known laws, references and the figure to beat, one file per protocol.

Rule of this package: a world is drawn from its seed before anyone plays in it, every contestant meets the same draws,
and a figure is measured against an oracle that knows the laws.
"""
