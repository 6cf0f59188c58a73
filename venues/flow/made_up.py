"""Made-up parameters of a liquid stock's venue, for scenarios that no tape was fitted to.

Rule of this file: shapes follow what is published of the queue-reactive family (a thin side is traded against, a
thick one improved on); levels are arguments.
"""

from __future__ import annotations

import math

from venues.flow.parameters import BINS, SIZES, Feedback, FlowParameters

_ADDS, _CANCELS, _TRADES, _IMPROVES = 4.0, 3.2, 0.5, 6.0
"""Events a second and side where one trade a second is made: nine in ten orders are cancelled."""

_LEAN = 1.0
"""Trading against a side is e^lean as frequent at full imbalance as at none."""

_DISTANCES = (0.6, 0.25, 0.15)


def made_up_parameters(
    touch_lots: float = 4.0, trade_lots: float = 1.5, feedback: Feedback | None = None
) -> FlowParameters:
    """Return parameters for about one trade a second: scale time with `flow_arrays(..., intensity=)`.

    Args:
        touch_lots: about what the best price of a side holds.
        trade_lots: mean size of a trade; orders entering and leaving are a third larger.
        feedback: what past trades do; None: the published one.
    """
    order_lots = trade_lots * 4.0 / 3.0
    ratio = touch_lots / order_lots
    narrow, wide = [], []
    for k in range(BINS):
        x = (k - BINS // 2) / (BINS // 2)
        thick, thin = math.exp(0.5 * _LEAN * x), math.exp(-0.5 * _LEAN * x)
        adds = (_ADDS * ratio / 2.0 * thin, _ADDS * ratio / 2.0 * thick)
        cancels = (_CANCELS * ratio / 2.0, _CANCELS * ratio / 2.0)
        trades = (_TRADES * thick * thick, _TRADES * thin * thin)
        improves = (_IMPROVES * thick, _IMPROVES * thin)
        narrow.append((*adds, *cancels, *trades, 0.0, 0.0))
        wide.append((*adds, *cancels, *(0.5 * rate for rate in trades), *improves))
    orders, trades_law = geometric_law(order_lots), geometric_law(trade_lots)
    return FlowParameters(
        rates=(tuple(narrow), tuple(wide)),
        queue_scale_lots=touch_lots,
        sizes_lots=(orders, orders, trades_law, orders),
        distances=_DISTANCES,
        feedback=Feedback() if feedback is None else feedback,
    )


def geometric_law(mean_lots: float) -> tuple[int, ...]:
    """Return the quantile function of a geometric size at equal steps.

    >>> geometric_law(1.0)[0], geometric_law(1.0)[-1]
    (1, 1)
    """
    if mean_lots <= 1.0:
        return (1,)
    stay = math.log1p(-1.0 / mean_lots)
    return tuple(max(1, math.ceil(math.log1p(-(i + 0.5) / SIZES) / stay)) for i in range(SIZES))
