"""Who came and went since the list of sessions was written."""

from __future__ import annotations

from collections.abc import Mapping

from tcserver.records import SessionRecord


class SessionBook:
    """Changes of the list that are still to be written, each session once: as many as are on or listed, at most."""

    def __init__(self) -> None:
        self._changes: dict[str, SessionRecord | None] = {}
        self._under_way: Mapping[str, SessionRecord | None] = {}
        self._afresh = True

    def __len__(self) -> int:
        """Changes that wait."""
        return len(self._changes)

    @property
    def is_due(self) -> bool:
        """Whether there is anything to write, the list of an earlier run included."""
        return bool(self._changes) or self._afresh

    def begun(self, session: SessionRecord) -> None:
        """Somebody has logged in."""
        self._changes[session.session_id] = session

    def ended(self, session_id: str) -> None:
        """A session is over; of one that was not written yet nothing ever needs to be."""
        if self._changes.get(session_id) is not None and session_id not in self._under_way:
            del self._changes[session_id]
        else:
            self._changes[session_id] = None

    def take(self) -> tuple[Mapping[str, SessionRecord | None], bool]:
        """Return the changes, and whether all that was listed before is to be forgotten; until `written`."""
        self._under_way, self._changes = self._changes, {}
        return self._under_way, self._afresh

    def written(self, ok: bool) -> None:
        """The changes that were taken are in the list, or have to be tried again."""
        if ok:
            self._afresh = False
        else:
            changes = {**self._under_way, **self._changes}
            gone = [key for key, begun in self._under_way.items() if begun is not None and changes[key] is None]
            self._changes = {key: change for key, change in changes.items() if key not in gone}
        self._under_way = {}
