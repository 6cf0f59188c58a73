"""The small models that venues and the network are composed of: the reference price, flow, fees, latency.

Rule of this package: a model's draws are keyed (seed, entity, purpose), so they never depend on who asks first.
"""
