"""What others do: the published ways to split and to choose, to stand beside ours in the learning benchmarks.

Rule of this package: a reference is written as its paper says, plays through the same protocol as ours, and is tuned
on other seeds than those reported; its docstring says what was tuned.
"""
