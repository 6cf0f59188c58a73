"""A record that is closed has not failed: who asks it meanwhile is told to ask again, and its process is not ended for
a fault."""

from __future__ import annotations

import logging

import pytest
from live_material import desk, session, submit

from cluster.live import record_service
from cluster.live.record import Desk
from cluster.live.record_service import RecordService
from router.domain import codec
from router.domain.errors import LinkError
from router.orders.memory_journal import MemoryJournal


async def test_who_asks_a_record_that_closes_is_told_to_ask_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(record_service, "end_process", ended.append)
    monkeypatch.setattr(record_service, "FAULT_LINGER_S", 0.0)
    opened = session()
    service = RecordService(Desk(desk(opened), MemoryJournal(), lambda: opened.open_at))
    asked = codec.encode(submit(1, opened))
    assert await service.answer("ask", asked, lambda topic, body: None)
    await service.close()
    with caplog.at_level(logging.ERROR), pytest.raises(LinkError, match="got one that closes"):
        await service.answer("ask", asked, lambda topic, body: None)
    assert (ended, caplog.text) == ([], "")
