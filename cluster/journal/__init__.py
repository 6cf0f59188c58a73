"""Journals that survive their process: in a file, and on a server.

Rule of this package: a journal here passes `check_journal`, and refuses rather than guesses when its medium fails.
"""
