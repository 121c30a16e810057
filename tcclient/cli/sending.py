"""Sends the sources of the command line into a room, and starts them again. No fault of a device ends the meeting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tcclient.audio.gate import GateMode
from tcclient.cli.exits import FAILED, REFUSED
from tcclient.cli.output import Output
from tcclient.errors import MediaError, NoReply, RequestRefused
from tcclient.publication import Publication
from tcclient.room import Room
from tcclient.sources import AnySource
from tcproto.messages import Source

Makers = Mapping[Source, Callable[[str | None], AnySource]]
"""Opens a device by its name; None means the device of the beginning."""


class Sending:
    """The publications of the user at the terminal."""

    def __init__(self, room: Room, output: Output, gate: GateMode, makers: Makers) -> None:
        self.publications: list[Publication] = []
        self.status = 0
        """Exit status: not 0 where a source could not be sent."""
        self._room, self._output, self._gate, self._makers = room, output, gate, makers

    async def send(self, sources: Sequence[AnySource]) -> None:
        """Publish, and wait for the end. The state of the path does not matter, since some packets may arrive."""
        await self._see_through(await self._begin(sources, muted=False))

    async def restart(self, source: Source, device: str | None = None) -> None:
        """Start a microphone or a camera again, muted if it was muted before, and wait for its end."""
        maker = self._makers.get(source)
        if maker is None:
            raise ValueError(f"{source} cannot be started again")
        before = [publication for publication in self.publications if publication.source.source is source]
        muted = any(publication.muted for publication in before)
        for publication in before:
            self.publications.remove(publication)
            await publication.stop()
        try:
            # the device determines how long this takes
            made = await asyncio.get_running_loop().run_in_executor(None, maker, device)
        except MediaError as error:
            self._refused(error)
            return
        await self._see_through(await self._begin([made], muted=muted))

    async def _begin(self, sources: Sequence[AnySource], *, muted: bool) -> list[Publication]:
        try:
            publications = await self._room.publish_together(*sources, gate=self._gate, muted=muted)
        except (RequestRefused, NoReply, MediaError) as error:
            self._refused(error)
            return []
        self.publications += publications
        self.status = 0
        self._output.say("sending", "sending " + " and ".join(str(p.kind) for p in publications))
        return publications

    async def _see_through(self, publications: Sequence[Publication]) -> None:
        await asyncio.gather(*(publication.wait() for publication in publications), return_exceptions=True)
        if any(publication.failure is not None for publication in publications):
            self.status = FAILED  # an event has reported the fault
            self.publications = [p for p in self.publications if p.failure is None]
        elif publications:
            damaged = sum(getattr(p.source.frames, "damaged", 0) for p in publications)
            note = f"; {damaged} damaged parts were left out" if damaged else ""
            self._output.say("sent", "what was to be sent has ended" + note)

    def _refused(self, error: Exception) -> None:
        self.status = REFUSED if isinstance(error, RequestRefused) else FAILED
        self._output.problem(f"not sent: {error}")
