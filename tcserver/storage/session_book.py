"""Changes of the list of sessions that are not written yet."""

from __future__ import annotations

from collections.abc import Mapping

from tcserver.records import SessionRecord


class SessionBook:
    """Collects changes, one for each session: at most as many as there are sessions now and in the list."""

    def __init__(self) -> None:
        self._changes: dict[str, SessionRecord | None] = {}
        self._under_way: Mapping[str, SessionRecord | None] = {}
        self._afresh = True

    def __len__(self) -> int:
        """Number of changes that wait."""
        return len(self._changes)

    @property
    def is_due(self) -> bool:
        """Whether there is anything to write. At the start there is: the list of the last run has to go."""
        return bool(self._changes) or self._afresh

    def begun(self, session: SessionRecord) -> None:
        """Add a session that has begun."""
        self._changes[session.session_id] = session

    def ended(self, session_id: str) -> None:
        """Add the end of a session. If its beginning is not written yet, neither needs to be."""
        if self._changes.get(session_id) is not None and session_id not in self._under_way:
            del self._changes[session_id]
        else:
            self._changes[session_id] = None

    def take(self) -> tuple[Mapping[str, SessionRecord | None], bool]:
        """Return the changes, and whether all other sessions are to be deleted. Call ``written`` next."""
        self._under_way, self._changes = self._changes, {}
        return self._under_way, self._afresh

    def written(self, ok: bool) -> None:
        """Take note that the changes are written, or else keep them for the next time."""
        if ok:
            self._afresh = False
        else:
            changes = {**self._under_way, **self._changes}
            gone = [key for key, begun in self._under_way.items() if begun is not None and changes[key] is None]
            self._changes = {key: change for key, change in changes.items() if key not in gone}
        self._under_way = {}
