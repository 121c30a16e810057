"""Records a room without transcoding: an Ogg Opus file for each speaker, and a Matroska file if there are pictures.

Packets are handed over as they come. ``flush`` and ``close`` write, and are called from a worker thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tcclient.errors import RecordingError, one_line
from tcclient.recording.clock import ClockMapping as ClockMapping
from tcclient.recording.folder import Index, prepare_folder, safe_name
from tcclient.recording.take import Take

FORMAT = 1
"""Version of the index."""
MAX_TAKES = 100
"""Takes of one account in a recording. A participant that starts its microphone again more often would fill the folder,
and is not recorded any longer."""
MAX_FILES = 10_000
"""Files of a recording: a day of five hundred members with twenty takes each."""
MAX_OPEN = 400
"""Files that are open at the same time: many systems let a process have 1,024 descriptors."""


class Failure(NamedTuple):
    """A recording that could not be written, or not be continued."""

    account: str
    """The account that was recorded; empty if the failure is of all."""
    error: Exception


class RoomRecording:
    """The recordings of everybody in a room, in one directory. It is made, and no existing file is changed.

    ``began`` is the monotonic time, in seconds, at which the common time line begins (by default when the first packet
    came). ``date`` is the wall clock at that time. Raises ``RecordingError`` if nothing can be written. If a speaker
    cannot be recorded, the others are recorded all the same: ``flush`` returns failures, ``close`` raises the first.
    """

    def __init__(self, directory: Path | str, *, room: str = "", began: float | None = None, date: str = "") -> None:
        self.directory = Path(directory)
        prepare_folder(self.directory)
        self._index = Index(self.directory, {"format": FORMAT, "room": room, "began": date})
        self._began = began
        self._speakers: dict[int, Take] = {}
        """The first take of each participant that has sent something, or still may."""
        self._latest: dict[tuple[int, bool], Take] = {}
        """By participant, and whether it is of a screen."""
        self._heard: set[tuple[Take, bool]] = set()
        self._takes: list[Take] = []
        """Takes that are open, or may become so."""
        self._counts: dict[str, int] = {}
        """Takes that were written, by account."""
        self._failures: list[Failure] = []
        self._told = 0
        self._writing = threading.Lock()

    def speaker(self, participant: int, account: str) -> Take:
        """Return the first take of a participant, made at the first call."""
        take = self._speakers.get(participant)
        if take is None:
            take = self._speakers[participant] = self._begin(participant, account)
        return take

    def take(self, participant: int, account: str, *, video: bool, screen: bool = False, label: str = "") -> Take:
        """Return the take for one more track of a participant; ``label`` is its name in the roster.

        A take holds one track of each kind. Pictures and sound of a screen are separate from the participant's own, and
        go to ``NAME-screen``. A microphone that starts again, with another clock and other numbers, goes to a further
        take, ``NAME-2``.
        """
        take = self._latest.get((participant, screen))
        if take is None and not screen and participant not in self._speakers:
            take = self.speaker(participant, account)
        if take is None or (take, video) in self._heard:
            take = self._begin(participant, account, screen=screen)
        take.label = label or account
        take.expect(video=video)
        self._latest[participant, screen] = take
        self._heard.add((take, video))
        return take

    def end(self, take: Take, *, video: bool) -> None:
        """Note that a track has ended: its file is closed with the next ``flush``."""
        take.end(video=video)

    def retry(self) -> None:
        """Let speakers whose recording failed begin a new take."""
        for take in self._takes:
            take.retry()

    def flush(self, now: float) -> list[Failure]:
        """Write the entries that have waited long enough, and return the failures since the last call."""
        with self._writing:
            for take in list(self._takes):
                self._attempt(take, lambda take=take: take.flush(now))  # type: ignore[misc]
                if take.done:
                    self._forget(take)
            self._write_index()
            told, self._told = self._told, len(self._failures)
            return self._failures[told:]

    def close(self) -> None:
        """Write everything and close all files.

        All files are tried. After that the first error of the whole recording is raised.
        """
        with self._writing:
            for take in self._takes:
                self._attempt(take, take.close)
            self._write_index()
            if self._failures:
                raise self._failures[0].error

    def _attempt(self, take: Take, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # whatever it is, the other takes go on
            take.fail(error)
            self._index.touch()
            said = {(failure.account, str(failure.error)) for failure in self._failures}
            if (take.account, str(error)) not in said:
                self._failures.append(Failure(take.account, error))

    def _write_index(self) -> None:
        try:
            self._index.write()
        except RecordingError as error:
            if not any(not failure.account for failure in self._failures):
                self._failures.append(Failure("", error))

    def _begin(self, participant: int, account: str, *, screen: bool = False) -> Take:
        take = Take(
            self.directory,
            safe_name(account) + ("-screen" if screen else ""),
            account=account,
            screen=screen,
            participant=participant,
            admit=self._admit,
            index=self._index,
        )
        self._takes.append(take)
        return take

    def _admit(self, take: Take, at: float) -> float:
        """Allow one more file, and return its place on the common time line. Raises ``RecordingError``."""
        self._began = at if self._began is None else self._began
        first = not take.paths
        if first and self._counts.get(take.account, 0) >= MAX_TAKES:
            self._refuse(f"{take.account} has started again {MAX_TAKES} times, and is not recorded any longer")
        if len(self._index) >= MAX_FILES:
            self._refuse(f"there are {MAX_FILES} files in this recording: no more are made")
        if sum(take.open_files for take in self._takes) >= MAX_OPEN:
            self._refuse(f"{MAX_OPEN} files are being written: no more are made")
        self._counts[take.account] = self._counts.get(take.account, 0) + first
        return max(0.0, at - self._began)

    def _refuse(self, text: str) -> None:
        raise RecordingError(one_line(self.directory, text))

    def _forget(self, take: Take) -> None:
        """Let go of a take that is closed. A take that was never written leaves no trace."""
        self._takes.remove(take)
        self._heard -= {(take, False), (take, True)}
        key = (take.participant, take.screen)
        if self._latest.get(key) is take:
            del self._latest[key]
        if not take.paths and self._speakers.get(take.participant) is take:
            del self._speakers[take.participant]
