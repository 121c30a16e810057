"""Requests of the operator to the running server: one JSON object in, one JSON object out. Pure.

A request has the name of the command in ``do``, and the fields that the command needs. The answer has ``result``, or
``error`` with a text for the operator. Only the owner of the data directory can open the socket for such requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tcproto.errors import Refusal
from tcserver.conference import Conference, Effect
from tcserver.conference.requests.operator import RoomStatus, SeatStatus
from tcserver.config.sections import LOG_LEVELS
from tcserver.daemon.statistics import statistics
from tcserver.media.interface import STREAM_HOST
from tcserver.media.plane.stats import MediaStats, SeatStats


class BadRequest(Exception):
    """A request that is not well-formed, or not known."""


class Administration:
    """Answers requests; the effects of a command go to ``carry_out``.

    ``media_stats`` returns the statistics of the media planes, ``now`` the conference's time. ``set_log_level`` changes
    the least severity that is logged.
    """

    def __init__(
        self,
        conference: Conference,
        media_stats: Callable[[], Sequence[MediaStats]],
        carry_out: Callable[[list[Effect]], None],
        set_log_level: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._conference = conference
        self._operator = conference.operator
        self._media_stats = media_stats
        self._set_log_level = set_log_level
        self._carry_out = carry_out
        self._now = now
        self._requests: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
            "rooms": self._rooms,
            "kick": self._kick,
            "mute": self._mute,
            "notice": self._notice,
            "close": self._close,
            "drain": self._drain,
            "end_drain": self._end_drain,
            "statistics": self._statistics,
            "log_level": self._log_level,
        }

    def answer(self, request: bytes) -> bytes:
        """Return the answer to a request, a line of JSON. If the request is wrong the answer says why."""
        try:
            reply = {"result": self._do(request)}
        except Refusal as refusal:
            reply = {"error": refusal.text, "code": str(refusal.code)}
        except BadRequest as error:
            reply = {"error": str(error), "code": "bad_request"}
        return json.dumps(reply).encode() + b"\n"

    def _do(self, request: bytes) -> object:
        try:
            fields = json.loads(request)
        except (ValueError, RecursionError):
            raise BadRequest("the request is no JSON") from None
        wanted = fields.get("do") if isinstance(fields, dict) else None
        if not isinstance(wanted, str) or wanted not in self._requests:
            raise BadRequest("the server does not know this request; is it of another version?")
        return self._requests[wanted](fields)

    def _rooms(self, _: Mapping[str, Any]) -> object:
        paths = {seat.media_id: seat for stats in self._media_stats() for seat in stats.seats}
        return [_room(room, paths) for room in self._operator.rooms(self._now())]

    def _kick(self, fields: Mapping[str, Any]) -> object:
        room, who, reason = _text(fields, "room"), _text(fields, "who"), _text(fields, "reason")
        return self._carried_out(self._operator.kick(room, who, reason, self._now()))

    def _mute(self, fields: Mapping[str, Any]) -> object:
        who = None if fields.get("who") is None else _text(fields, "who")
        room, source, held = _text(fields, "room"), _text(fields, "source"), fields.get("held")
        if not isinstance(held, bool):
            raise BadRequest("held should be true or false")
        return self._carried_out(self._operator.mute(room, who, source, held, self._now()))

    def _notice(self, fields: Mapping[str, Any]) -> object:
        room = None if fields.get("room") is None else _text(fields, "room")
        return self._carried_out(self._operator.notice(_text(fields, "text"), room))

    def _close(self, fields: Mapping[str, Any]) -> object:
        return self._carried_out(self._operator.close(_text(fields, "room"), _text(fields, "reason"), self._now()))

    def _drain(self, fields: Mapping[str, Any]) -> object:
        seconds = fields.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise BadRequest("seconds should be a number")
        return self._carried_out(self._operator.drain(seconds, _text(fields, "text"), self._now()))

    def _end_drain(self, _: Mapping[str, Any]) -> object:
        return self._carried_out(self._operator.end_drain())

    def _statistics(self, _: Mapping[str, Any]) -> object:
        return statistics(self._conference, self._media_stats())

    def _log_level(self, fields: Mapping[str, Any]) -> object:
        level = _text(fields, "level")
        if level not in LOG_LEVELS:
            raise BadRequest(f"no such level; there are: {', '.join(LOG_LEVELS)}")
        self._set_log_level(level)
        return level

    def _carried_out(self, done: tuple[int, list[Effect]]) -> int:
        count, effects = done
        self._carry_out(effects)
        return count


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key} should be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{key} should be Unicode text") from None
    return value


def _room(room: RoomStatus, paths: Mapping[int, SeatStats]) -> dict[str, object]:
    fields = room._asdict()
    fields["seats"] = [_seat(seat, paths.get(seat.media_id)) for seat in room.seats]
    return fields


def _seat(seat: SeatStatus, path: SeatStats | None) -> dict[str, object]:
    """Return a seat with its path: ``udp``, ``stream`` or nothing; address, datagrams sent, and how many were lost."""
    fields = seat._asdict()
    del fields["media_id"]
    fields["publications"] = dict(seat.publications)
    host = path.host if path is not None else ""
    fields["path"], fields["address"] = ("stream", "") if host == STREAM_HOST else ("udp" if host else "", host)
    fields["sent"] = path.sent if path is not None else 0
    fields["lost"] = max(0, path.sent - path.received) if path is not None else 0
    return fields
