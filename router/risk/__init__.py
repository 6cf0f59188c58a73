"""The gate before the market: eighteen checks in order, exposure, kill switches, throttles; and an auditor.

Rule of this package: a refusal is a value with a coded reason, what is missing or stale is refused, and money is whole.
The same facts and times in give the same answers out; who asks again after a restart gets what he got before.
"""
