"""Links between us and the venues: order, latency, outages, and everything a bad link does, drawn by key.

Rule of this file: times are nanoseconds after an open at 0, latencies without jitter unless a test is about it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from router.domain.enums import ExecType, OrdStatus
from router.domain.messages import SessionChange
from router.domain.orders import OrderStatusRequest
from router.domain.reports import ExecutionReport
from router.domain.units import SECOND
from scenarios.network import Network
from scenarios.scenario import Outage, Unreliable
from venues.models.latency import Latency, LatencyParameters

A, B = "XLTA", "XLTB"
ENTRY, RESPONSE = 150_000, 150_000
FOREVER = 2**61


def network(
    outages: Sequence[Outage] = (), unreliable: Sequence[Unreliable] = (), jitter_ns: int = 0, seed: int = 7
) -> Network:
    parameters = LatencyParameters(jitter_ns=jitter_ns)
    return Network({mic: Latency(seed, mic, parameters) for mic in (A, B)}, outages, unreliable, 0, seed)


def ask(n: int, mic: str = A) -> OrderStatusRequest:
    return OrderStatusRequest(mic=mic, cl_ord_id=f"P.{n}/1", orig_cl_ord_id=f"P.{n}", parent_id="P")


def said(n: int, at: int, mic: str = A) -> ExecutionReport:
    return ExecutionReport(
        mic=mic,
        cl_ord_id=f"P.{n}",
        order_id="V",
        exec_id=f"{mic}-{n}",
        exec_type=ExecType.NEW,
        ord_status=OrdStatus.NEW,
        transact_time=at,
    )


def arrived(net: Network, mic: str = A, until: int = FOREVER) -> list[tuple[int, str]]:
    return [(arrival.at, arrival.command.cl_ord_id) for arrival in net.arrivals(mic, until)]


def delivered(net: Network, until: int = FOREVER) -> list[tuple[int, str]]:
    return [(one.at, one.report.cl_ord_id) for one in net.deliver(until)]


def test_commands_and_reports_take_the_latency_of_their_leg() -> None:
    net = network()
    net.send([ask(1)], 1_000)
    net.say(A, [said(1, 2_000)])
    assert arrived(net) == [(1_000 + ENTRY, "P.1/1")]
    assert delivered(net) == [(2_000 + RESPONSE, "P.1")]


def test_each_message_arrives_once_at_its_own_venue() -> None:
    net = network()
    net.send([ask(1, A), ask(2, B)], 0)
    assert arrived(net, B) == [(ENTRY, "P.2/1")]
    assert arrived(net, A) == [(ENTRY, "P.1/1")]
    assert arrived(net, A) == arrived(net, B) == []


def test_commands_arrive_before_the_boundary_and_reports_up_to_it() -> None:
    net = network()
    net.send([ask(1)], 0)
    net.say(A, [said(1, 0)])
    assert arrived(net, until=ENTRY) == []
    assert arrived(net, until=ENTRY + 1) == [(ENTRY, "P.1/1")]
    assert delivered(net, until=RESPONSE - 1) == []
    assert delivered(net, until=RESPONSE) == [(RESPONSE, "P.1")]


def test_a_link_keeps_the_order_of_what_it_carries_under_any_jitter() -> None:
    net = network(jitter_ns=10 * SECOND)
    for n in range(100):
        net.send([ask(n)], n)
        net.say(A, [said(n, n)])
    commands, reports = arrived(net), delivered(net)
    assert [name for _, name in commands] == [f"P.{n}/1" for n in range(100)]
    assert [name for _, name in reports] == [f"P.{n}" for n in range(100)]
    for times in ([at for at, _ in commands], [at for at, _ in reports]):
        assert times == sorted(times)
        assert len(set(times)) > 3, "the jitter shows"


def outage(start: float, end: float | None, mic: str = A) -> Outage:
    return Outage(venue=mic, from_s=start, to_s=end)


def test_an_outage_loses_what_is_sent_in_it_both_ways_and_nothing_elsewhere() -> None:
    net = network([outage(1, 2)])
    for n, at in enumerate((0, SECOND, 2 * SECOND - 1, 2 * SECOND)):
        for mic in (A, B):
            net.send([ask(n, mic)], at)
            net.say(mic, [said(n, at, mic)])
    assert [name for _, name in arrived(net, A)] == ["P.0/1", "P.3/1"]
    assert [name for _, name in arrived(net, B)] == [f"P.{n}/1" for n in range(4)]
    names = [name for _, name in delivered(net)]
    assert {name: names.count(name) for name in names} == {"P.0": 2, "P.1": 1, "P.2": 1, "P.3": 2}


def test_what_is_under_way_when_the_link_drops_is_lost() -> None:
    net = network([outage(1, 2)])
    net.send([ask(1)], SECOND - ENTRY)
    net.say(A, [said(1, SECOND - RESPONSE)])
    net.send([ask(2)], SECOND - ENTRY - 1)
    assert arrived(net) == [(SECOND - 1, "P.2/1")]
    assert delivered(net) == []


def test_sessions_change_when_outages_begin_and_end() -> None:
    net = network([outage(1, 2), outage(3, None)])
    assert net.sessions(A, 0, FOREVER) == (
        SessionChange(SECOND, False),
        SessionChange(2 * SECOND, True),
        SessionChange(3 * SECOND, False),
    )
    assert net.sessions(A, SECOND, 2 * SECOND) == (SessionChange(SECOND, False),)
    assert net.sessions(B, 0, FOREVER) == ()
    assert [net.is_up(A, at) for at in (0, SECOND, 2 * SECOND - 1, 2 * SECOND, 3 * SECOND, FOREVER)] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert [net.next_change(at) for at in (0, SECOND, 2 * SECOND, 3 * SECOND)] == [
        SECOND,
        2 * SECOND,
        3 * SECOND,
        None,
    ]


@pytest.mark.parametrize("second", [outage(2, 3), outage(1, 2), outage(2, 5), outage(4, 5), outage(2, None)])
def test_a_venue_hears_of_overlapping_outages_as_of_one(second: Outage) -> None:
    net = network([outage(1, 4), second])
    changes = net.sessions(A, 0, FOREVER)
    assert [change.is_up for change in changes] in ([False], [False, True])
    for change in changes:
        assert net.is_up(A, change.at) is change.is_up


def faulty(**faults: float) -> Network:
    return network(unreliable=[Unreliable(from_s=1, to_s=100, **faults)])


def exchange(net: Network, count: int = 400) -> tuple[list[str], list[str]]:
    for n in range(count):
        net.send([ask(n)], SECOND + n)
        net.say(A, [said(n, SECOND + n)])
    return [name for _, name in arrived(net)], [name for _, name in delivered(net)]


def test_reports_and_commands_are_lost_as_often_as_asked() -> None:
    commands, reports = exchange(faulty(lose_command=0.25, lose_report=0.5))
    assert 260 < len(commands) == len(set(commands)) < 340
    assert 160 < len(reports) == len(set(reports)) < 240


def test_reports_and_commands_are_repeated_as_often_as_asked() -> None:
    commands, reports = exchange(faulty(repeat_command=0.25, repeat_report=0.5))
    assert 460 < len(commands) < 540
    assert 560 < len(reports) < 640
    assert len(set(commands)) == len(set(reports)) == 400


def test_delayed_reports_overtake_each_other_and_are_all_there() -> None:
    net = faulty(delay_report=0.5, delay_max_s=2.0)
    _, reports = exchange(net)
    assert reports != sorted(reports, key=lambda name: int(name[2:]))
    assert sorted(reports) == sorted(f"P.{n}" for n in range(400))


def test_delays_are_up_to_the_bound() -> None:
    net = faulty(delay_report=1.0, delay_max_s=2.0)
    for n in range(400):
        net.say(A, [said(n, SECOND)])
    times = [at - SECOND - RESPONSE for at, _ in delivered(net)]
    assert times == sorted(times)
    assert 0 <= times[0] < SECOND // 10
    assert 1.9 * SECOND < times[-1] <= 2 * SECOND


def test_faults_last_as_long_as_the_scenario_says() -> None:
    net = faulty(lose_report=1.0, lose_command=1.0)
    for n, at in enumerate((SECOND - 1, SECOND, 100 * SECOND - 1, 100 * SECOND)):
        net.send([ask(n)], at)
        net.say(A, [said(n, at)])
    assert [name for _, name in arrived(net)] == ["P.0/1", "P.3/1"]
    assert [name for _, name in delivered(net)] == ["P.0", "P.3"]


def test_draws_depend_on_the_message_and_on_nothing_else() -> None:
    rates = {"lose_report": 0.3, "lose_command": 0.3, "repeat_report": 0.3, "delay_report": 0.5}
    alone = exchange(faulty(**rates))
    assert exchange(faulty(**rates)) == alone
    busy = faulty(**rates)
    for n in range(400):
        busy.send([ask(n, B), ask(n, A)], SECOND + n)
        busy.say(B, [said(n, SECOND + n, B)])
        busy.say(A, [said(n, SECOND + n)])
    assert [name for _, name in arrived(busy)] == alone[0]
    mine = [one.report.cl_ord_id for one in busy.deliver(FOREVER) if one.report.mic == A]
    assert mine == alone[1]
    other = network(unreliable=[Unreliable(from_s=1, to_s=100, **rates)], seed=8)
    assert exchange(other) != alone
