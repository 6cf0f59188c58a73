"""Rows about the price model: what serving a row costs beside scikit-learn, and what it foretells on real tapes.

Rule of this file: the training and the judgement are the product's own; that a model does not help is a row too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.rows import Row, Settings, measured, skipped
from benchmarks.stopwatch import each_us
from learners.price.judge import Score
from learners.price.model import Kind, Provenance, sealed
from learners.price.samples import Samples, joined, samples_of, split
from learners.price.serve import PriceServer
from learners.price.signals import SIGNALS, PriceStream
from learners.price.train import fit, train
from router.domain.chance import generator
from router.domain.market import F64
from router.domain.units import SECOND
from scenarios.price_history import markets_of_tape

KINDS: tuple[Kind, ...] = get_args(Kind)
TAPES = {
    "taq": Path("us_taq_venue_bbo_2018"),
    "lobster": Path("lobster_nasdaq_20120621") / "LOBSTER_SampleFile_AMZN_2012-06-21_1.zip",
}
ROWS, CALLS, CALLS_QUICK = 4_000, 1_100, 55
BATCH = 2_000
SERVED_US_MAX = {"hgb": 20.0, "mlp": 10.0, "logistic": 10.0}
"""A decision has some hundred microseconds; what foretells the price may take a small part of it."""


def serving(settings: Settings) -> list[Row]:
    """What one row costs: a Python caller's, the kernel's alone within a batch, and scikit-learn's."""
    calls = CALLS_QUICK if settings.is_quick else CALLS
    x = _inputs(ROWS)
    y = (x[:, 1] + generator(1, "benchmark", "price-labels").normal(size=ROWS) > 0).astype(np.int64)
    made_up = Samples(x, y, np.arange(ROWS), np.arange(ROWS))
    rows = []
    for kind in KINDS:
        fitted = fit(kind, made_up, made_up, 1)
        server = PriceServer(sealed(_provenance(kind), fitted.arrays))
        asked = [x[k % ROWS] for k in range(calls)]
        singles = [of.reshape(1, -1) for of in asked]
        batch = x[np.arange(BATCH) % ROWS]
        ours = [each_us(server.probability, asked) for _ in range(settings.rounds)]
        kernel = [each_us(server.probabilities, [batch] * 22) / BATCH for _ in range(settings.rounds)]
        theirs = [each_us(fitted.estimator.predict_proba, singles) for _ in range(settings.rounds)]
        units = f"{fitted.settings['trees']:.0f} trees" if kind == "hgb" else f"{SIGNALS} signals"
        # Of the other two, scikit-learn's pipeline scales and fills what is missing first, as ours does.
        whole = "scikit-learn predict_proba" if kind == "hgb" else "scikit-learn pipeline predict_proba"
        others = {whole: theirs, "kernel in a batch": kernel}
        what = f"price model: one row served, {kind}, {units}"
        bound = SERVED_US_MAX[kind]
        rows.append(measured(f"price.{kind}_us", what, ours, "µs", references=others, at_most=bound))
    return [*rows, _stream_row(settings, calls)]


def foretelling(settings: Settings) -> list[Row]:
    """Log-loss and MCC out of sample on two recorded days, beside microprice alone and imbalance alone."""
    rows: list[Row] = []
    for name, tape in TAPES.items():
        if settings.data is None or not (settings.data / tape).exists():
            rows += [skipped(f"price.{name}.{kind}", "price model: log-loss", "nats", "no data") for kind in KINDS]
            continue
        step_ns = (10 if settings.is_quick else 1) * SECOND
        parts = split(joined([samples_of(m, step_ns=step_ns) for m in markets_of_tape(settings.data / tape)]))
        for kind in KINDS:
            trained = train(parts, kind, seed=1, source=name, label="next move", step_ns=step_ns)
            model, *others = trained.judgement.scores
            rows.append(_judged(f"price.{name}.{kind}.log_loss", f"{name}, {kind}: log-loss", "nats", model, others))
            rows.append(_judged(f"price.{name}.{kind}.mcc", f"{name}, {kind}: MCC", "", model, others))
    return rows


def _judged(id: str, what: str, unit: str, model: Score, others: list[Score]) -> Row:
    key = id.rpartition(".")[2]
    figure = float(getattr(model, key))
    references = {f"{of.name} alone" if of.name != "nothing" else of.name: getattr(of, key) for of in others}
    first = next(iter(references.values()))
    return Row(
        id=id,
        what=f"price model, {what} out of sample",
        ours=figure,
        unit=unit,
        references=references,
        ratio=figure / first if first else None,
        bound=None,
        holds=None,
        interval=(getattr(model, f"{key}_low"), getattr(model, f"{key}_high")),
    )


def _stream_row(settings: Settings, calls: int) -> Row:
    """What keeping and reading the signals costs, beside the model."""
    stream = PriceStream()
    stream.advance(np.array([[0, 100, 5, 102, 7]], dtype=np.int64), np.empty((0, 5), dtype=np.int64))
    times = [each_us(stream.read, range(1, calls + 1)) for _ in range(settings.rounds)]
    return measured("price.signals_us", "price model: the signals read once", times, "µs")


def _inputs(n: int) -> F64:
    x: F64 = generator(1, "benchmark", "price").normal(size=(n, SIGNALS))
    return x


def _provenance(kind: Kind) -> Provenance:
    return Provenance(
        kind=kind,
        source="benchmark",
        label="made up",
        step_ns=1,
        seed=1,
        rows=(ROWS, ROWS, 0),
        span=(0, ROWS),
        trainer="benchmark",
        settings={},
        scores={},
    )


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (serving, foretelling)
