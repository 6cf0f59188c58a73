"""The price model as a feature: named in a scenario, seen by the learners, absent without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from price_markets import START, noise

from learners.features.market import MarketFeatures
from learners.features.names import FEATURES, SCALER_VERSION
from learners.price.live import PriceSignal
from learners.price.model import PriceModel, Provenance, model_to_bytes, sealed
from learners.price.signals import PRICE_SIGNALS, SIGNALS
from router.domain.enums import Side, Tactic, VenueType
from router.domain.errors import ScenarioError
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.market import F64, I64
from router.domain.units import SECOND
from scenarios.price_model import price_model_of
from scenarios.runner import run
from scenarios.scenario import Scenario, load_scenario, parse_scenario

PRICE = FEATURES.index("price_signal")
CLOSE = START + 100 * SECOND
NO_PRINTS = np.empty((0, 5), dtype=np.int64)


def lean_model() -> PriceModel:
    """Return a logistic model that believes in the imbalance, and a little in recent drift."""
    w = np.zeros(SIGNALS)
    w[PRICE_SIGNALS.index("imbalance")], w[PRICE_SIGNALS.index("drift_fast")] = 2.0, 0.3
    provenance = Provenance(
        kind="logistic", source="test", label="next move", step_ns=1, seed=1, rows=(1, 1, 1), span=(0, 1),
        trainer="test", settings={}, scores={},
    )  # fmt: skip
    return sealed(provenance, {"mean": np.zeros(SIGNALS), "scale": np.ones(SIGNALS), "w": w, "b": np.zeros(1)})


def spec(mic: str) -> VenueSpec:
    return VenueSpec(
        mic=mic,
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="ABC", mic=mic, tick=50, lot=1),
        fees=FeeSchedule(),
        tactics=(Tactic.TAKE, Tactic.POST),
    )


def features(*mics: str, price: PriceModel | None) -> MarketFeatures:
    return MarketFeatures(tuple(spec(mic) for mic in mics), "ABC", START, CLOSE, price=price)


def quotes(rows: I64, venue: int = 0) -> I64:
    return np.insert(rows, 1, venue, axis=1)


def column(view: MarketFeatures, now: int, side: Side, venues: int = 1) -> F64:
    frame = view.frame(now, side, (0.5,) * venues)
    return np.frombuffer(frame.x).reshape(len(frame.lanes), -1)[:, PRICE]


def test_the_feature_stands_last_and_the_scaler_says_so() -> None:
    assert FEATURES[-1] == "price_signal"
    assert SCALER_VERSION == 2


def test_without_a_model_the_feature_is_0() -> None:
    view = features("XAAA", price=None)
    rows, prints = noise(1)
    view.advance(quotes(rows), prints[prints[:, 1] < 1], CLOSE - 1)
    assert column(view, CLOSE, Side.BUY).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("cuts", [(), (10,), (7, 8, 33, 59)])
def test_the_feature_is_what_the_model_says_of_the_same_facts_in_any_windows(cuts: tuple[int, ...]) -> None:
    rows, prints = noise(2)
    prints = prints[prints[:, 1] < 1]
    view, signal = features("XAAA", price=lean_model()), PriceSignal(lean_model())
    for until in (*(START + cut * SECOND for cut in cuts), START + 60 * SECOND):
        before = view._last
        window = [t[(t[:, 0] >= before) & (t[:, 0] < until)] for t in (quotes(rows), prints)]
        view.advance(*window, until)
    whole = features("XAAA", price=None)
    signal.advance(whole.advance(quotes(rows), prints, START + 60 * SECOND), prints)
    edge = signal.edge(START + 60 * SECOND)
    assert edge != 0.0
    assert column(view, START + 60 * SECOND, Side.BUY).tolist() == [4.0 * edge] * 2
    assert column(view, START + 60 * SECOND, Side.SELL).tolist() == [-4.0 * edge] * 2


def test_while_a_side_is_missing_the_feature_is_0() -> None:
    view = features("XAAA", price=lean_model())
    view.advance(quotes(np.array([[START, 100, 9, 0, 0]])), NO_PRINTS, START + 5)
    assert column(view, START + 5, Side.BUY).tolist() == [0.0, 0.0]


def test_a_link_that_drops_is_no_move_for_the_model() -> None:
    near, far = np.array([[START, 10_000, 50, 10_100, 50]]), np.array([[START, 9_000, 50, 10_100, 50]])
    view = features("XAAA", "XBBB", price=lean_model())
    view.advance(np.vstack((quotes(near), quotes(far, 1))), NO_PRINTS, START + 5)
    assert column(view, START + 5, Side.BUY, 2).tolist() == [pytest.approx(-4 * (0.5 - 1 / (1 + np.exp(2 / 3))))] * 4
    view.set_session("XAAA", False)
    view.advance(np.empty((0, 6), dtype=np.int64), NO_PRINTS, START + 9)
    assert column(view, START + 9, Side.BUY, 2).tolist() == [0.0] * 4


def named(tmp_path: Path, name: str) -> Scenario:
    text = load_scenario("smoke").text
    text = text.replace("[learning]\n", f'[learning]\nprice_model = "{name}"\n')
    return parse_scenario(text, "smoke", str(tmp_path / "smoke.toml"))


def contexts(directory: Path) -> F64:
    table = pl.read_parquet(directory / "decisions.parquet")
    return np.concatenate([np.array(row).reshape(-1, len(FEATURES)) for row in table["context"].to_list()])


def test_a_run_with_a_model_shows_its_signal_to_the_learner(tmp_path: Path) -> None:
    (tmp_path / "price.arrow").write_bytes(model_to_bytes(lean_model()))
    scenario = named(tmp_path, "price.arrow")
    summary = run(scenario, seed=1, out=tmp_path / "with")
    x = contexts(tmp_path / "with")
    assert (x[:, PRICE] != 0.0).mean() > 0.8
    assert np.abs(x[:, PRICE]).max() <= 2.0
    assert run(scenario, seed=1).digest == summary.digest


def test_a_run_without_a_model_shows_0(tmp_path: Path) -> None:
    run(load_scenario("smoke"), seed=1, out=tmp_path / "without")
    assert (contexts(tmp_path / "without")[:, PRICE] == 0.0).all()


@pytest.mark.parametrize(
    ("data", "error"), [(None, "a file of `anabranch learner train-price`"), (b"nothing", "a whole price model")]
)
def test_a_model_that_cannot_be_used_names_the_scenario_and_the_key(
    data: bytes | None, error: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / "price.arrow").write_bytes(data)
    with pytest.raises(ScenarioError, match=error) as caught:
        run(named(tmp_path, "price.arrow"), seed=1)
    assert "smoke.toml" in str(caught.value)
    assert "$.learning.price_model" in str(caught.value)


def test_a_scenario_without_a_model_has_none() -> None:
    assert price_model_of(load_scenario("smoke")) is None
