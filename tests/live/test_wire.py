"""Questions get one answer or a clear word that there was none; news comes in order; strangers get nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.link.handshake import CLAIM_BYTES, NONCE_BYTES, PROOF_BYTES
from cluster.live.wire import Answering, Asking, Push, ask_once
from router.domain.errors import JournalError, LinkError, UnknownOutcomeError

TOKEN = "secret"


async def answer(word: str, body: bytes, push: Push) -> bytes:
    """Echo; fail; push; never answer."""
    if word == "fail":
        raise JournalError("expected a working journal, got none")
    if word == "push":
        for n in range(3):
            push("news", bytes([n]))
    if word == "never":
        await asyncio.Event().wait()
    return word.encode() + body


@asynccontextmanager
async def line(
    token: str = TOKEN, news: list[tuple[str, bytes]] | None = None
) -> AsyncIterator[tuple[Answering, Asking]]:
    """An answerer on a free port, and who asks it."""
    answering = Answering(answer, TOKEN)
    address = await answering.listen("127.0.0.1")

    async def find(was_lost: bool) -> tuple[str, int]:
        return address

    heard = [] if news is None else news
    asking = Asking("other", find, token, lambda topic, body: heard.append((topic, body)))
    try:
        yield answering, asking
    finally:
        await asking.close()
        await answering.close()


async def test_many_questions_at_once_get_their_own_answers() -> None:
    async with line() as (_, asking):
        bodies = [str(n).encode() for n in range(200)]
        answers = await asyncio.gather(*(asking.ask("echo", body, 5.0) for body in bodies))
        assert answers == [b"echo" + body for body in bodies]


async def test_a_fault_is_raised_as_the_same_class_and_the_line_goes_on() -> None:
    async with line() as (_, asking):
        with pytest.raises(JournalError, match="expected a working journal"):
            await asking.ask("fail", b"", 5.0)
        assert await asking.ask("echo", b"1", 5.0) == b"echo1"


async def test_news_comes_in_order() -> None:
    news: list[tuple[str, bytes]] = []
    async with line(news=news) as (_, asking):
        await asking.ask("push", b"", 5.0)
        assert news == [("news", b"\x00"), ("news", b"\x01"), ("news", b"\x02")]


async def test_a_lost_answer_is_unknown_and_a_door_that_is_closed_was_certainly_not_asked() -> None:
    async with line() as (answering, asking):
        waiting = asyncio.create_task(asking.ask("never", b"", 5.0))
        assert await asking.ask("echo", b"", 5.0) == b"echo"
        await answering.close()
        with pytest.raises(UnknownOutcomeError):
            await waiting
        with pytest.raises(LinkError) as raised:
            await asking.ask("echo", b"", 5.0)
        assert not isinstance(raised.value, UnknownOutcomeError)


async def test_an_answer_that_is_late_is_unknown_and_the_next_one_is_not_mistaken_for_it() -> None:
    async with line() as (_, asking):
        with pytest.raises(UnknownOutcomeError):
            await asking.ask("never", b"", 0.05)
        assert await asking.ask("echo", b"2", 5.0) == b"echo2"


async def test_who_shows_another_token_is_not_answered() -> None:
    async with line(token="secreT") as (_, asking):
        with pytest.raises(LinkError) as raised:
            await asking.ask("echo", b"", 5.0)
        assert not isinstance(raised.value, UnknownOutcomeError)


async def test_who_listens_in_the_place_of_another_is_asked_nothing() -> None:
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for data in (b"n" * NONCE_BYTES, b"p" * PROOF_BYTES):
            writer.write(len(data).to_bytes(4, "big") + data)
        said.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]

    async def find(was_lost: bool) -> tuple[str, int]:
        return address

    asking = Asking("record", find, TOKEN)
    with pytest.raises(LinkError, match="expected record to hold the secret"):
        await asking.ask("echo", b"order", 5.0)
    assert len(await asyncio.wait_for(said.get(), 5)) == 4 + CLAIM_BYTES
    server.close()


async def test_one_question_can_be_asked_without_a_loop_of_ones_own() -> None:
    answering = Answering(_number, TOKEN)
    address = await answering.listen("127.0.0.1")
    assert await asyncio.to_thread(ask_once, "other", address, "size", TOKEN) == 7
    await answering.close()


async def _number(word: str, body: bytes, push: Push) -> bytes:
    return b"\x07"


async def test_who_cannot_be_found_is_waited_for_no_longer_than_was_said() -> None:
    async def find(was_lost: bool) -> tuple[str, int]:
        await asyncio.Event().wait()
        raise AssertionError

    asking = Asking("other", find, TOKEN)
    began = asyncio.get_running_loop().time()
    with pytest.raises(LinkError, match="expected other to listen within"):
        await asking.ask("echo", b"", 0.05)
    assert asyncio.get_running_loop().time() - began < 2.0
    await asking.close()


async def test_who_lets_nobody_in_is_waited_for_no_longer_than_was_said() -> None:
    let_in: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda reader, writer: let_in.append(writer), "127.0.0.1", 0)
    address: tuple[str, int] = silent.sockets[0].getsockname()[:2]

    async def find(was_lost: bool) -> tuple[str, int]:
        return address

    asking = Asking("other", find, TOKEN)
    with pytest.raises(LinkError, match="expected other to listen within"):
        await asking.ask("echo", b"", 0.05)
    await asking.close()
    for writer in let_in:
        writer.close()
    silent.close()


async def test_who_gives_up_waiting_for_a_stream_ends_it_for_nobody_else() -> None:
    answering = Answering(answer, TOKEN)
    address = await answering.listen("127.0.0.1")
    found, finds = asyncio.Event(), []

    async def find(was_lost: bool) -> tuple[str, int]:
        finds.append(was_lost)
        await found.wait()
        return address

    asking = Asking("other", find, TOKEN)
    patient = asyncio.create_task(asking.ask("echo", b"1", 5.0))
    with pytest.raises(LinkError):
        await asking.ask("echo", b"2", 0.02)
    found.set()
    assert await patient == b"echo1"
    assert finds == [False]
    await asking.close()
    await answering.close()
