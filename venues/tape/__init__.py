"""Recorded books: event tables made compact, merged in time, and replayed with exact queues.

Rule of this package: what was recorded is never changed by what we do, only what of it is left for us; each recorded
share meets one share of ours at most.
"""
