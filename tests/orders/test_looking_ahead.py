"""Whether a host says, once it has heard, that a parent of its may route: only then must the policy be published.

Rule of this file: what it says is held against what it then does in a real day over a bad link (`host_days`).
"""

from __future__ import annotations

from host_days import changing_day, day, journal_of

from router.domain.events import DecisionMade, ParentWoke
from router.orders.host import OrderHost


def test_who_did_not_say_so_routes_nothing() -> None:
    quiet, routing = 0, 0
    for lived in (day(), changing_day()):
        for k, batch in enumerate(lived.batches):
            if not batch.is_deciding:
                continue
            heard = lived.replies[k - 1]
            assert not lived.batches[k - 1].is_deciding and lived.batches[k - 1].now == batch.now
            kinds = {type(event) for event in lived.replies[k].events}
            assert heard.is_looking or DecisionMade not in kinds
            quiet += not heard.is_looking and ParentWoke in kinds
            routing += DecisionMade in kinds
    assert quiet > 10
    assert routing > 10


def test_nothing_is_published_for_who_does_not_look() -> None:
    for lived in (day(), changing_day()):
        frames = [
            (lived.replies[k - 1].is_looking, batch.frames)
            for k, batch in enumerate(lived.batches)
            if batch.is_deciding
        ]
        assert all(bool(shown) == is_looking for is_looking, shown in frames)
        assert {is_looking for is_looking, _ in frames} == {True, False}


def test_a_host_that_came_back_says_the_same_when_it_is_asked_again() -> None:
    lived = day()
    for k in range(0, len(lived.batches), 3):
        again = OrderHost(journal_of(lived.records[: lived.sizes[k]]), lived.setup)
        again.recover()
        reply = again.handle(lived.batches[k])
        assert reply.is_looking == lived.replies[k].is_looking
