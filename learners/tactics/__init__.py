"""How passive to be: what a slice brought, by the style it was traded in, and what a style is worth in a context.

Rule of this package: it chooses nothing. Hosts choose, by `router.allocation.styles`, from what is published here.
"""
