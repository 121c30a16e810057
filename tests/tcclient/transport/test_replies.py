"""Futures of the replies that the server should send."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tcclient.core import events
from tcclient.errors import NoReply, RequestRefused, RoomClosed
from tcclient.transport.replies import Replies, Span
from tcproto.errors import Action, ErrorCode

CLOSED = events.Closed(ErrorCode.SHUTDOWN, "bye", Action.RECONNECT, 7)


def request(number: int) -> Callable[[events.Event], bool]:
    return lambda event: isinstance(event, events.RequestDone | events.RequestFailed) and event.request == number


def run(test: Callable[[Replies], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Replies())

    asyncio.run(main())


def test_each_future_gets_its_own_answer() -> None:
    async def test(replies: Replies) -> None:
        first, second = replies.expect(request(1)), replies.expect(request(2))
        replies.deliver(events.RequestDone(2))
        assert await second == events.RequestDone(2)
        assert not first.done()
        replies.deliver(events.RequestDone(1))
        assert await first == events.RequestDone(1)

    run(test)


def test_an_answer_that_nobody_expects_is_nothing() -> None:
    async def test(replies: Replies) -> None:
        replies.deliver(events.RequestDone(1))
        future = replies.expect(request(1))
        assert not future.done(), "the answer came before the request"

    run(test)


@pytest.mark.parametrize(
    "refusal",
    [
        events.RequestFailed(1, ErrorCode.NOT_PERMITTED, "no"),
        events.ChatFailed(b"id", ErrorCode.NOT_PERMITTED, "no"),
        events.PublishFailed(1, ErrorCode.NOT_PERMITTED, "no"),
    ],
)
def test_a_refusal_is_an_error(refusal: events.Event) -> None:
    async def test(replies: Replies) -> None:
        future = replies.expect(lambda event: True)
        replies.deliver(refusal)
        with pytest.raises(RequestRefused, match="no") as refused:
            await future
        assert refused.value.code is ErrorCode.NOT_PERMITTED

    run(test)


def test_the_end_of_the_session_fails_all_that_wait_and_all_that_come_after() -> None:
    async def test(replies: Replies) -> None:
        waiting = [replies.expect(request(1)), replies.expect(request(2))]
        replies.deliver(CLOSED)
        for future in (*waiting, replies.expect(request(3))):
            with pytest.raises(RoomClosed, match="bye") as closed:
                await future
            assert (closed.value.action, closed.value.retry_after_ms) == (Action.RECONNECT, 7)

    run(test)


def test_a_future_that_was_given_up_is_no_obstacle() -> None:
    async def test(replies: Replies) -> None:
        given_up, waiting = replies.expect(request(1)), replies.expect(request(1))
        given_up.cancel()
        replies.deliver(events.RequestDone(1))
        assert await waiting == events.RequestDone(1)
        assert given_up.cancelled()

    run(test)


def test_an_error_that_nobody_looks_at_is_not_reported() -> None:
    reported: list[object] = []

    async def test(replies: Replies) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        replies.expect(request(1))
        replies.deliver(CLOSED)

    run(test)
    assert reported == []


def test_a_lost_seat_fails_what_waits_in_it_alone() -> None:
    async def test(replies: Replies) -> None:
        seat, step, room = (replies.expect(request(1), span) for span in (Span.SEAT, Span.CONNECTION, Span.ROOM))
        replies.fail(NoReply("lost"))
        with pytest.raises(NoReply, match="lost"):
            await seat
        replies.deliver(events.RequestDone(1))
        assert await step == await room == events.RequestDone(1)

    run(test)
