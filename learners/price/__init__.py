"""The price model: which way the mid moves next, trained in scikit-learn, served from flat arrays.

Rule of this package: what it says at a time follows from quotes and prints before that time alone, and only `train`
knows scikit-learn. A model is bytes in and bytes out: who reads and writes files is above.
"""
