"""The flow's own examination: published probabilities, impact of metaorders, stylised facts beside a recording.

Rule of this file: seeds are fixed and are not those that any parameter was chosen with.

A flow is set beside the very day that it was fitted to: the rows say that the model can be that market, not that it
foretells another day. Where it comes nearest to failing: on the NYSE recording prices move about 0.7 times as far as
recorded over a minute and more (the flow has no news, and its feedback takes back a part of what trading did), and the
share of impact that is kept is known to a few hundredths only (`error`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.units import SECOND
from venues.flow.calibration import calibrate
from venues.flow.checks import CheckRow, check
from venues.flow.facts import STEP_NS, facts, mean_facts, observed_session, observed_tape
from venues.flow.levels import simulate
from venues.flow.made_up import made_up_parameters
from venues.flow.metaorders import Impact, Metaorder, impact_of, slope
from venues.flow.parameters import Feedback, FlowParameters, flow_arrays
from venues.flow.top_tape import TopTape
from venues.flow.zero_intelligence import fill_chance, mid_up_chance

SEED = 31_415_926

MID_UP = (0.500, 0.335, 0.259, 0.216, 0.188)
"""P(the mid's next move is up) with 1 order at the bid and 1 to 5 at the ask, spread of a tick."""

FILL = (0.503, 0.698, 0.794, 0.848, 0.882)
"""P(the first order of the bid trades before the mid moves) with 1 to 5 orders at the ask."""

CHANCE_ERROR = 0.01

CHILD_QTY, CHILD_EVERY_NS = 200, SECOND
"""A metaorder takes about a usual trade's size each second, for longer the larger it is."""

FACTOR = 1.5
"""By how much a rate, a size, a spread or a volatility of the flow may miss the recording's."""

SHARE_ERROR = 0.1
"""By how much a share or a correlation may."""


SESSIONS = 10
"""Sessions of the flow that its facts are a mean over: one alone passes or fails by luck."""


class Size(NamedTuple):
    """How much is simulated: trials of a probability, pairs of metaorders, children of each."""

    trials: int
    pairs: int
    children: tuple[int, ...]


FULL = Size(400_000, 300, (20, 40, 80, 160, 320))
QUICK = Size(40_000, 120, (20, 60, 180))


def published_chances(size: Size) -> list[CheckRow]:
    """Return the rows of Cont, Stoikov and Talreja's model."""
    rows = []
    for name, chance, published in (("mid_up", mid_up_chance, MID_UP), ("fill", fill_chance, FILL)):
        for ask, expected in enumerate(published, start=1):
            found = chance(1, ask, size.trials, SEED)
            low, high = expected - CHANCE_ERROR, expected + CHANCE_ERROR
            error = (found * (1.0 - found) / size.trials) ** 0.5
            rows.append(check(f"cst.{name}.ask_{ask}", found, low, high, error))
    return rows


def metaorder_impact(size: Size) -> list[CheckRow]:
    """Return the rows of impact with feedback (concave, mostly taken back) and without (linear, kept)."""
    rows = []
    bounds = {"on": (Feedback(), (0.45, 0.60), (0.15, 0.35)), "off": (Feedback(m=0.0), (0.9, 1.1), (0.85, 1.15))}
    for name, (feedback, exponent, kept) in bounds.items():
        flow = flow_arrays(made_up_parameters(feedback=feedback))
        orders = [Metaorder(CHILD_QTY, children, CHILD_EVERY_NS) for children in size.children]
        found = [impact_of(flow, order, size.pairs, SEED, f"{name}/{order.children}") for order in orders]
        peaks = [impact.peak for impact in found]
        steepness = slope([float(of) for of in size.children], peaks) if min(peaks) > 0.0 else float("nan")
        share = sum(impact.left for impact in found) / sum(peaks)
        errors = _impact_errors(size.children, found, share)
        rows.append(check(f"impact.{name}.exponent", steepness, *exponent, errors[0]))
        rows.append(check(f"impact.{name}.kept", share, *kept, errors[1]))
    return rows


def _impact_errors(children: tuple[int, ...], found: list[Impact], share: float) -> tuple[float, float]:
    """Return the standard errors of the exponent and of the share kept, to first order.

    Peak and what is left of it move together, so the second is rather too large.
    """
    x = np.log(np.array(children, dtype=np.float64))
    x -= x.mean()
    peaks = np.array([impact.peak for impact in found])
    peak_errors = np.array([impact.peak_error for impact in found])
    left_errors = np.array([impact.left_error for impact in found])
    of_exponent = np.sqrt(((x * peak_errors / peaks) ** 2).sum()) / (x * x).sum()
    of_share = np.sqrt((left_errors**2 + (share * peak_errors) ** 2).sum()) / peaks.sum()
    return float(of_exponent), float(of_share)


class Beside(NamedTuple):
    """A recording's facts, those of the flow fitted to it with their standard errors, and the parameters."""

    tape: dict[str, float]
    flow: dict[str, float]
    parameters: FlowParameters
    errors: dict[str, float]


def beside(tape: TopTape) -> Beside:
    """Return a recording's stylised facts and those of the flow fitted to it over `SESSIONS` sessions."""
    fit = calibrate(tape)
    arrays = flow_arrays(fit.parameters, lot=1)
    trades_max = 10 * len(tape.taken) + 1_000
    sessions = [
        simulate(
            arrays, SEED, f"{tape.name}/{n}", tape.length_ns, STEP_NS,
            u_shape=fit.parameters.u_shape, trades_max=trades_max,
        )
        for n in range(SESSIONS)
    ]  # fmt: skip
    flow, errors = mean_facts([observed_session(session, tape.length_ns) for session in sessions])
    return Beside(facts(observed_tape(tape, fit.events)), flow, fit.parameters, errors)


def stylised_facts(tape: TopTape, found: Beside) -> list[CheckRow]:
    """Return a row for each fact: the flow's over the recording's, or for shares and correlations the difference.

    The errors are the flow's alone: of a recording there is one day.
    """
    rows = []
    for name, recorded in found.tape.items():
        flow, error = found.flow[name], found.errors[name]
        if name.startswith("signs.") or name.endswith("_share"):
            rows.append(check(f"facts.{tape.name}.{name}", flow - recorded, -SHARE_ERROR, SHARE_ERROR, error))
        else:
            ratio = flow / recorded if recorded else float("nan")
            rows.append(
                check(
                    f"facts.{tape.name}.{name}",
                    ratio,
                    1.0 / FACTOR,
                    FACTOR,
                    abs(error / recorded) if recorded else None,
                )
            )
    return rows
