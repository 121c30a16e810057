"""The router: which media workers a command is for."""

from __future__ import annotations

from collections.abc import Collection

from tcserver.media.interface import (
    WORKER_MASK,
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    Command,
    OpenSealer,
    RotateSealer,
    SendUrgent,
    SetSpeakers,
    ShareRoom,
    TellSealer,
)


class Router:
    """Knows which workers a command is for."""

    def __init__(self) -> None:
        self._rooms: dict[int, set[int]] = {}

    def workers(self, command: Command) -> Collection[int]:
        """Return the numbers of the workers; none for a room that is not open."""
        match command:
            case OpenSealer():
                self._rooms.setdefault(command.room, set()).add(command.worker)
                return (command.worker,)
            case RotateSealer():
                return (command.worker,)
            case CloseRoom():
                return self._rooms.pop(command.room, ())
            case SendUrgent():
                return {media_id & WORKER_MASK for media_id in command.media_ids}
            case ShareRoom() | TellSealer() | SetSpeakers() | ChangeForwarding() | CloseSeat():
                return self._rooms.get(command.room, ())
            case _:
                return (command.media_id & WORKER_MASK,)
