"""Links to shells in other processes: Ray calls, and streams of framed bytes.

Rule of this package: a batch is sent again after a loss, with its number, until its reply is there; the shells make
that harmless.
"""
