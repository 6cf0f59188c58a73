"""How much now: a schedule releases quantity over a parent's life, and says which tactics may trade it.

Rule of this package: a schedule is a function of the view it is given. It keeps nothing between two calls, so the same
view always gives the same release, whoever asks and how often.
"""
