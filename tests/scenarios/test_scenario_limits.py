"""Values that are each in their range and yet too much, and keys that a recorded day would not read.

Rule of this file: each fault is made by one change in a file that is otherwise good, and named in one line by its key.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from small_market import text, with_part

from router.domain.errors import BadInputError, ScenarioError, TapeError
from router.domain.units import SECOND
from scenarios.assembly import assemble, make_venue
from scenarios.limits import background_events
from scenarios.scenario import SyntheticMarket, library, load_scenario, parse_scenario

ADV, DAY_S, WINDOW = "adv = 2_000_000", "duration_s = 360", "window_max_s = 5.0"
START, QTY, IMPACT = 'start_px = "40.00"', "order_qty = 3_000", "coefficient_bps = 7.5"


def adv(value: str) -> str:
    return text((ADV, f"adv = {value}"))


def timing(line: str) -> str:
    return text((WINDOW, f"{WINDOW}\n{line}"))


def a_day(*changes: tuple[str, str]) -> str:
    return text((DAY_S, "duration_s = 86_400"), ("end_s = 300", "end_s = 86_000"), *changes)


FAULTS: dict[str, tuple[str, str, str, str]] = {
    # name: (file, key, expected, got)
    "a volume beyond all": (adv("4_000_000_000_000_000_000"), "$.market.adv", "<= 10000000000", "4000000000000000000"),
    "a volume of nothing": (adv("0"), "$.market.adv", ">= 1", "0"),
    "too much volume": (a_day((ADV, "adv = 10_000_000_000")), "$.market.adv", "up to 10,000,000", "events"),
    "too many moves": (
        text((START, f'{START}\ntick = "0.0001"\ndaily_volatility = 0.5')),
        "$.market.daily_volatility",
        "up to 10,000,000",
        "events",
    ),
    "too many bins": (
        a_day(("zero_bin = 0.70", "bin_ns = 10_000_000")),
        "$.venues[2].parameters.bin_ns",
        "up to 10,000,000",
        "events",
    ),
    "too many uncrosses": (
        text(("zero_bin = 0.70", "uncross_every_ns = 1")),
        "$.venues[2].parameters.uncross_every_ns",
        "up to 10,000,000",
        "events",
    ),
    "windows of no time": (text((WINDOW, "window_max_s = 1e-6")), "$.timing.window_max_s", ">= 0.001", "1e-06"),
    "too many windows": (a_day((WINDOW, "window_max_s = 0.001")), "$.timing.window_max_s", "up to 1,000,000", "0.001"),
    "answers at once": (timing("answer_timeout_s = 1e-6"), "$.timing.answer_timeout_s", ">= 0.1", "1e-06"),
    "a life of no time": (text(("life_s = 9.5", "life_s = 1e-6")), "$.timing.life_s", ">= 0.1", "1e-06"),
    "a reaction of no time": (timing("reaction_ms = 0.001"), "$.timing.reaction_ms", ">= 1.0", "0.001"),
    "a heartbeat of no time": (timing("heartbeat_s = 1e-6"), "$.timing.heartbeat_s", ">= 0.1", "1e-06"),
    "grace for ever": (timing("grace_s = 1e9"), "$.timing.grace_s", "<= 86400", "1000000000.0"),
    "slices of no time": (
        text((QTY, f"{QTY}\nstrategy_parameters = {{ interval_s = 0.001 }}")),
        "$.orders[0].strategy_parameters.interval_s",
        "from 0.1",
        "0.001",
    ),
    "a fee beyond all": (
        text(("taker_micros = 3_000", "taker_micros = 1_000_001")),
        "$.venues[0].taker_micros",
        "<= 1000000",
        "1000001",
    ),
    "a rebate beyond all": (
        text(("maker_micros = -2_000", "maker_micros = -1_000_001")),
        "$.venues[0].maker_micros",
        ">= -1000000",
        "-1000001",
    ),
    "impact beyond all": (text((IMPACT, "coefficient_bps = 1001")), "$.impact.coefficient_bps", "<= 1000", "1001"),
    "impact on hardly a market": (adv("999"), "$.market.adv", "from 1,000 with impact", "999"),
    "impact that leaves no price": (
        text((QTY, "order_qty = 1_000_000"), (IMPACT, "coefficient_bps = 1_000")),
        "$.impact.coefficient_bps",
        "up to 10,000 bps",
        "50,000 bps",
    ),
    "a tape's links without a tape": (with_part("[latency]\nfeed_ns = 5"), "$.latency", "none", "feed_ns=5"),
}


def assert_one_line(message: str, key: str, expected: str, got: str) -> None:
    assert message.startswith("bad.toml: ")
    assert message.endswith(f" - at `{key}`")
    assert "\n" not in message
    assert expected in message
    assert got in message


@pytest.mark.parametrize("name", FAULTS)
def test_what_would_never_end_is_refused_with_its_key(name: str) -> None:
    file, key, expected, got = FAULTS[name]
    with pytest.raises(ScenarioError) as caught:
        assemble(parse_scenario(file, "bad", "bad.toml"), 1, None)
    assert_one_line(str(caught.value), key, expected, got)


def test_many_orders_wake_no_more_often_than_one_may() -> None:
    orders = "".join(f'[[orders]]\nid = "N-{k}"\norder_qty = 5\n' for k in range(12))
    file = a_day(("[holds]", f"{orders}[holds]"), ("life_s = 9.5", "life_s = 0.1"))
    with pytest.raises(ScenarioError, match=r"up to 1,000,000 fill the life of the orders, got 0\.1 - at `\$\.timing"):
        assemble(parse_scenario(file, "bad", "bad.toml"), 1, None)


@pytest.mark.parametrize("name", library())
def test_a_venue_has_about_as_many_events_as_expected(name: str) -> None:
    loaded = load_scenario(name)
    if not isinstance(loaded.file.market, SyntheticMarket):
        assert loaded.file.venues == (), "a tape draws no events"
        return
    assembly = assemble(loaded, 1, None)
    for spec, part in zip(assembly.specs, assembly.scenario.file.venues, strict=True):
        venue = make_venue(assembly, spec.mic)
        expected = sum(n for _, n in background_events(spec, assembly.setup, part.parameters))
        assert venue.advance(assembly.setup.close_at + SECOND).events < 1.2 * expected + 50


TAPE = """title = "A tape"
description = "What a recorded day reads of a file."
symbol = "XXX"
[market]
kind = "tape"
[[orders]]
id = "T-1"
order_qty = 100
[holds]
orders_end = true
"""
KIND = 'kind = "tape"\n'


def tape_file(old: str, new: str) -> str:
    assert old in TAPE
    return TAPE.replace(old, new, 1)


def tape_refusal(file: str, data: Path | None = None) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        assemble(parse_scenario(file, "bad", "bad.toml"), 1, data)
    return caught.value


TAPE_FAULTS: dict[str, tuple[str, str, str, str]] = {
    "impact": (f"{TAPE}[impact]\ncoefficient_bps = 1.0\n", "$.impact", "no impact", "coefficient_bps=1.0"),
    "regimes": (f'{TAPE}[[regimes]]\nfrom_s = 0\nname = "calm"\n', "$.regimes", "no regimes", "got 1"),
    "a day as its own past": (
        tape_file(KIND, f'{KIND}past_day = "20180102"\n'),
        "$.market.past_day",
        "a day before 20180102",
        "20180102",
    ),
    "a past that comes later": (
        tape_file(KIND, f'{KIND}past_day = "20180103"\n'),
        "$.market.past_day",
        "a day before 20180102",
        "20180103",
    ),
    "a day that is none": (tape_file(KIND, f'{KIND}day = "../x"\n'), "$.market.day", "[0-9]{8}", "../x"),
    "a folder elsewhere": (tape_file(KIND, f'{KIND}folder = "../x"\n'), "$.market.folder", "inside", "../x"),
    "another symbol": (tape_file('"XXX"', '"AAPL"'), "$.symbol", "XXX", "AAPL"),
    "nobody's fills": (tape_file("[holds]", '[holds]\nfills_at = ["XX"]'), "$.holds.fills_at", "XNYS", "XX"),
    "no fills at nobody": (
        tape_file("[holds]", '[holds]\nno_fills_at = ["XX"]'),
        "$.holds.no_fills_at",
        "XNYS",
        "XX",
    ),
}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a data directory with a day of two quotes and two trades."""
    folder = tmp_path / "us_taq_venue_bbo_2018"
    folder.mkdir()
    first, last = 1_514_903_400_000, 1_514_926_799_999
    quotes = ["ms_utc,ex,bid,bid_lots,ask,ask_lots,cond", *(f"{at},N,40,5,40.02,5,R" for at in (first, last))]
    trades = ["ms_utc,ex,px,size,cond,corr,trf", *(f"{at},N,40.01,1000,,0," for at in (first, last))]
    for name, lines in (("quotes", quotes), ("trades", trades)):
        packed = gzip.compress(("\n".join(lines) + "\n").encode())
        (folder / f"xxx_{name}_20180102.csv.gz").write_bytes(packed)
    return tmp_path


@pytest.mark.parametrize("name", TAPE_FAULTS)
def test_what_a_tape_would_not_read_is_refused(name: str, recorded: Path) -> None:
    file, key, expected, got = TAPE_FAULTS[name]
    assert_one_line(str(tape_refusal(file, recorded)), key, expected, got)


def test_a_tape_is_read_from_its_own_folder(recorded: Path) -> None:
    file = tape_file(KIND, f'{KIND}folder = "mine"\n')
    (recorded / "mine").mkdir()
    refusal = tape_refusal(file, recorded)
    assert isinstance(refusal, TapeError)
    assert "xxx_quotes_20180102.csv.gz" in str(refusal)
    (recorded / "us_taq_venue_bbo_2018" / "xxx_quotes_20180102.csv.gz").rename(
        recorded / "mine" / "xxx_quotes_20180102.csv.gz"
    )
    (recorded / "us_taq_venue_bbo_2018" / "xxx_trades_20180102.csv.gz").rename(
        recorded / "mine" / "xxx_trades_20180102.csv.gz"
    )
    assembly = assemble(parse_scenario(file, "good"), 1, recorded)
    assert assembly.day is not None
    assert assembly.day.total_qty == 2_000
