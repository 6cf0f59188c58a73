"""Where a recorded day begins: local midnights as nanoseconds of UTC.

Rule of this file: time zones come from polars' own table, so a day does not depend on the machine's.
"""

from __future__ import annotations

import re

import polars as pl
from polars.exceptions import PolarsError

from router.domain.errors import TapeError, bad_value
from router.domain.units import Nanos

NEW_YORK = "America/New_York"


def midnight(day: str, zone: str = "UTC") -> Nanos:
    """Return when a day (YYYYMMDD) begins in a zone, ns since 1970 UTC.

    Raises:
        TapeError: `day` is not a date.

    >>> (midnight("20180102", NEW_YORK) - midnight("20180102")) // 3_600_000_000_000
    5
    """
    if not re.fullmatch(r"(19|20|21)\d{6}", day, re.ASCII):
        raise TapeError(bad_value("day", "a date as YYYYMMDD", day))
    try:
        local = pl.Series([day]).str.to_datetime("%Y%m%d", time_unit="ns").dt.replace_time_zone(zone)
    except PolarsError as exc:
        raise TapeError(bad_value("day", "a date as YYYYMMDD", day)) from exc
    return int(local.dt.epoch("ns")[0])
