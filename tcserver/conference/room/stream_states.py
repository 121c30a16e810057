"""Which streams do not go to all who want their source: told to those who would wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tcproto.messages import StreamLimit, StreamState, StreamStates
from tcproto.messages.types import MAX_STREAM_STATES
from tcserver.conference.room.seat import Seat, Stream


def messages(streams: Iterable[Stream]) -> list[StreamStates]:
    """Return the messages that tell the present state of these streams."""
    states = tuple(
        StreamState(stream.number, StreamLimit.NOT_SELECTED if stream.beyond_last_n else StreamLimit.NONE)
        for stream in streams
    )
    starts = range(0, len(states), MAX_STREAM_STATES)
    return [StreamStates(states[start : start + MAX_STREAM_STATES]) for start in starts]


def send(news: Sequence[StreamStates], seats: Iterable[Seat]) -> None:
    """Send participants these messages."""
    for seat in seats:
        for message in news:
            seat.channel.send(message)
