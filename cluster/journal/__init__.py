"""Journals on disk: what the router's intents and facts are made durable in.

Rule of this package: a journal here passes `check_journal`, and refuses rather than guesses when its medium fails.
"""
