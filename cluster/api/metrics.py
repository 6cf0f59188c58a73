"""What the door counts, as Prometheus reads it: requests, orders, fills, streams, refusals, and how the desk is.

Rule of this file: labels come from tables of ours (a route's path, a status, a code, a MIC), never from what a client
wrote, so that nobody can make series without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from cluster.api.backend import DeskStatus, MarketPicture
from cluster.api.durations import Durations
from router.domain import facts

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends of the buckets of a request's time."""

_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class DoorMetrics:
    """The counters of one door, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"anabranch_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"anabranch_{name}", text, labels, registry=registry)

        self._requests = counter("http_requests", "Requests answered", "method", "route", "status")
        self._seconds = Histogram(
            "anabranch_http_request_seconds", "Time to answer", ("route",), registry=registry, buckets=SECONDS
        )
        self.in_flight = gauge("http_requests_in_flight", "Requests at work now")
        self.refusals = counter("http_refusals", "Requests refused before their handler", "code", "rate_class")
        self.connections = gauge("http_connections", "Connections open now")
        self.cut_connections = counter("http_connections_cut", "Connections cut off", "why")
        self.streams = gauge("stream_clients", "Clients of streams now", "kind")
        self.stream_events = counter("stream_events", "Events put before clients of streams")
        self.slow_clients = counter("stream_slow_clients", "Clients of streams closed as too slow")
        self.disconnect_cancels = counter("disconnect_cancels", "Cancels because a client did not come back")
        self.records = counter("journal_records_seen", "Records of the journal that this door has followed")
        self.orders = counter("orders_accepted", "Orders accepted", "strategy")
        self.denials = counter("orders_denied", "Reasons why orders were denied", "code")
        self.fills = counter("fills", "Executions told to clients", "mic")
        self.filled = counter("filled_quantity", "Quantity executed", "mic")
        self.decisions = counter("routing_decisions", "Routing decisions journaled")
        self.ended = counter("orders_ended", "Orders that are over", "ord_status")
        self.kills = counter("kills", "Kills set", "level")
        self.windows = gauge("market_windows", "Windows played in this session", "symbol")
        self.market_lag = gauge("market_lag_seconds", "Market seconds between the clock and the last window", "symbol")
        self.staleness = gauge("learner_staleness_outcomes", "Outcomes the learner has not applied", "symbol")
        self.policy_version = gauge("policy_version", "Version of the policy in use", "symbol", "side")
        self.children_unknown = gauge("children_unknown", "Open children of which nobody knows what became of them")
        self.durations = Durations(registry)
        self.is_ready = gauge("ready", "1 when an order would be accepted")
        self.journal_size = gauge("journal_records", "Durable records of the journal")
        self.journal_lag = gauge("journal_lag_records", "Durable records that this door has not seen")
        self.actors = gauge("actor_up", "1 while an actor lives", "name", "role")
        self.incarnations = gauge("actor_incarnation", "Which life of an actor this is", "name", "role")
        self.hosts = gauge("hosts", "Hosts that new orders are spread over")
        self.nodes = gauge("node_up", "1 while a node of the cluster lives", "node")
        self.draining = gauge("node_draining", "1 while a node is drained", "node")
        self._desk: dict[str, Gauge] = {}
        self._children: dict[tuple[str, str, int], Any] = {}
        self._timers: dict[str, Any] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is its path as the table of resources writes it."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self._seconds.labels(route)
        child.inc()
        timer.observe(seconds)

    def refused(self, code: str, rate_class: str) -> None:
        """Count one request that was refused before its handler."""
        self.refusals.labels(code, rate_class).inc()

    def told(self, fact: object) -> None:
        """Count what a fact of the journal means."""
        match fact:
            case facts.OrderAccepted():
                self.orders.labels(fact.order.strategy).inc()
            case facts.OrderDenied():
                for denial in fact.denials:
                    self.denials.labels(denial.code).inc()
            case facts.OrderExecuted():
                self.fills.labels(fact.mic).inc()
                self.filled.labels(fact.mic).inc(fact.last_qty)
            case facts.OrderEnded():
                self.ended.labels(str(fact.ord_status)).inc()
            case facts.KillSet():
                self.kills.labels(fact.level).inc()
            case facts.WindowPlayed():
                self.windows.labels(fact.symbol).set(fact.n + 1)
            case _:
                pass

    def desk(self, status: DeskStatus, pictures: Iterable[MarketPicture]) -> None:
        """Take how the desk is, and what its markets look like now."""
        self.journal_size.set(status.journal_size)
        # Actors come and go, and one that is gone must not go on as up.
        self.actors.clear()
        self.incarnations.clear()
        for actor in status.actors:
            # One that rests is not down: nobody has asked for it.
            if not actor.is_resting:
                self.actors.labels(actor.name, actor.role).set(int(actor.is_alive))
            self.incarnations.labels(actor.name, actor.role).set(actor.incarnation)
        self.hosts.set(status.hosts)
        self.nodes.clear()
        self.draining.clear()
        for node in status.nodes:
            self.nodes.labels(node.node).set(int(node.is_alive))
            self.draining.labels(node.node).set(int(node.is_draining))
        for picture in pictures:
            self.market_lag.labels(picture.symbol).set(max(0, status.market_at - picture.at) / 1e9)
            self.staleness.labels(picture.symbol).set(picture.outcomes_waiting)
            for policy in picture.policies:
                if policy.arm != "CHALLENGER":
                    self.policy_version.labels(picture.symbol, str(policy.side)).set(policy.policy_version)
        self.durations.desk(status)
        self._pass_on(status.metrics)

    def _pass_on(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            gauge = self._desk.get(name)
            if gauge is None:
                safe = _NOT_A_NAME.sub("_", name)
                gauge = self._desk[name] = Gauge(f"anabranch_desk_{safe}", f"The desk's {name}", registry=self.registry)
            gauge.set(value)

    def text(self) -> bytes:
        """Return everything, as Prometheus reads it."""
        return generate_latest(self.registry)
