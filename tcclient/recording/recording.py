"""Records a room without transcoding: an Ogg Opus file for each speaker, and a Matroska file where there are pictures.

Packets are handed over as they come; ``flush`` and ``close`` write, and are called from a worker thread.
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
"""Takes of one account in a recording: who begins a microphone anew more often than that fills the folder, and is not
recorded any more."""
MAX_FILES = 10_000
"""Files of a recording: a day of five hundred members with twenty takes each."""
MAX_OPEN = 400
"""Files that are written at the same time: many systems let a process have 1,024 descriptors."""


class Failure(NamedTuple):
    """A recording that could not be written, or not further."""

    account: str
    """Whom it was about; empty where it is about all."""
    error: Exception


class RoomRecording:
    """The recordings of everybody in a room, in one directory, which is made; no file that was there is touched.

    ``began`` is the monotonic time, in seconds, at which the common time line begins (by default when the first packet
    came), ``date`` what the clock on the wall said then. Raises ``RecordingError`` where nothing can be written. A
    speaker who cannot be recorded does not end the others: ``flush`` returns failures, ``close`` raises the first.
    """

    def __init__(self, directory: Path | str, *, room: str = "", began: float | None = None, date: str = "") -> None:
        self.directory = Path(directory)
        prepare_folder(self.directory)
        self._index = Index(self.directory, {"format": FORMAT, "room": room, "began": date})
        self._began = began
        self._speakers: dict[int, Take] = {}
        """The first take of each participant of whom anything came, or may still."""
        self._latest: dict[tuple[int, bool], Take] = {}
        """By participant, and whether it is of a screen."""
        self._heard: set[tuple[Take, bool]] = set()
        self._takes: list[Take] = []
        """What is open, or may become so."""
        self._counts: dict[str, int] = {}
        """Takes that were written, by account."""
        self._failures: list[Failure] = []
        self._told = 0
        self._writing = threading.Lock()

    def speaker(self, participant: int, account: str) -> Take:
        """Return the first recording of a participant, made at the first call."""
        recording = self._speakers.get(participant)
        if recording is None:
            recording = self._speakers[participant] = self._begin(participant, account)
        return recording

    def take(self, participant: int, account: str, *, video: bool, screen: bool = False, label: str = "") -> Take:
        """Return where to record one more track of a participant, who is called ``label`` in the roster.

        A file holds one track of each kind, and pictures and sound of a screen apart from a person's: those go to
        ``NAME-screen``. A microphone that begins anew with clock and numbers of its own goes to a further take,
        ``NAME-2``.
        """
        recording = self._latest.get((participant, screen))
        if recording is None and not screen and participant not in self._speakers:
            recording = self.speaker(participant, account)
        if recording is None or (recording, video) in self._heard:
            recording = self._begin(participant, account, screen=screen)
        recording.label = label or account
        recording.expect(video=video)
        self._latest[participant, screen] = recording
        self._heard.add((recording, video))
        return recording

    def end(self, recording: Take, *, video: bool) -> None:
        """Say that a track has ended: its file is closed with the next ``flush``."""
        recording.end(video=video)

    def retry(self) -> None:
        """Let speakers whose recording failed begin a new one."""
        for recording in self._takes:
            recording.retry()

    def flush(self, now: float) -> list[Failure]:
        """Write the entries that have waited long enough; return the failures since the last call."""
        with self._writing:
            for recording in list(self._takes):
                self._attempt(recording, lambda take=recording: take.flush(now))  # type: ignore[misc]
                if recording.done:
                    self._forget(recording)
            self._write_index()
            told, self._told = self._told, len(self._failures)
            return self._failures[told:]

    def close(self) -> None:
        """Write everything and close all files; the first error of the whole recording is raised when all have been
        tried."""
        with self._writing:
            for recording in self._takes:
                self._attempt(recording, recording.close)
            self._write_index()
            if self._failures:
                raise self._failures[0].error

    def _attempt(self, recording: Take, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # whatever it is, the others go on
            recording.fail(error)
            self._index.touch()
            said = {(failure.account, str(failure.error)) for failure in self._failures}
            if (recording.account, str(error)) not in said:
                self._failures.append(Failure(recording.account, error))

    def _write_index(self) -> None:
        try:
            self._index.write()
        except RecordingError as error:
            if not any(not failure.account for failure in self._failures):
                self._failures.append(Failure("", error))

    def _begin(self, participant: int, account: str, *, screen: bool = False) -> Take:
        recording = Take(
            self.directory,
            safe_name(account) + ("-screen" if screen else ""),
            account=account,
            screen=screen,
            participant=participant,
            admit=self._admit,
            index=self._index,
        )
        self._takes.append(recording)
        return recording

    def _admit(self, recording: Take, at: float) -> float:
        """Allow one more file, and return its place on the common time line; raises ``RecordingError``."""
        self._began = at if self._began is None else self._began
        first = not recording.paths
        if first and self._counts.get(recording.account, 0) >= MAX_TAKES:
            self._refuse(f"{recording.account} has begun anew {MAX_TAKES} times, and is recorded no further")
        if len(self._index) >= MAX_FILES:
            self._refuse(f"there are {MAX_FILES} files in this recording: no further one is begun")
        if sum(take.open_files for take in self._takes) >= MAX_OPEN:
            self._refuse(f"{MAX_OPEN} files are being written: no further one is begun")
        self._counts[recording.account] = self._counts.get(recording.account, 0) + first
        return max(0.0, at - self._began)

    def _refuse(self, text: str) -> None:
        raise RecordingError(one_line(self.directory, text))

    def _forget(self, recording: Take) -> None:
        """Let go of a take that is closed; what was never written leaves no trace."""
        self._takes.remove(recording)
        self._heard -= {(recording, False), (recording, True)}
        key = (recording.participant, recording.screen)
        if self._latest.get(key) is recording:
            del self._latest[key]
        if not recording.paths and self._speakers.get(recording.participant) is recording:
            del self._speakers[recording.participant]
