"""Price-time-priority limit order books, and the examiner that every one of them passes.

Rule of this package: whole numbers only; a book knows order ids and no owners, no clock, no fees.
"""
