"""Price-time-priority limit order books: a compiled one, its plain twin, and the examiner that both pass.

Read `book` for what a book can do, `words` for what an order can be, `naive` for how it works, and then `kernel`.

Rule of this package: whole numbers only; a book knows order ids and owners' numbers, but no clock, no fees, no venue.
"""
