"""Measures what Anabranch promises: speed, memory, equal digests, and what its policy is worth.

    rows      one row of a table: ours, its references, the figure to reach
    clean     a fresh process of this interpreter, so that peaks and caches are its own
    tasks     what is measured inside such a process
    catalogue the tables by name: `anabranch bench NAME` prints one

Rule of this package: it is no part of the product and none of the tests; it reads clocks, and so no result of a run
may ever depend on it. Whatever is compared in a row was measured in the same call on the same machine.
"""
