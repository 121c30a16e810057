"""The resumption of a session: what is kept of a connection that was lost, for the one that takes it over."""

from __future__ import annotations

from tcclient.core.control import Line
from tcclient.core.login import Login
from tcclient.core.membership.distrust import Distrust
from tcproto.control import ControlConnection
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.messages import Resumed


class Resumption:
    """Keeps a session over its connections. ``control`` is the first one."""

    def __init__(self, control: ControlConnection) -> None:
        self.line = Line(control)
        """What is said on the connections."""
        self.token = b""
        """What resumes the session, once."""
        self._held: ControlConnection | None = None
        """The connection that was lost, of a seat that is to be resumed."""

    @property
    def pending(self) -> bool:
        """Whether there is a seat that is to be resumed."""
        return self._held is not None

    def connected(self, control: ControlConnection) -> None:
        """Take another connection: it goes on from the one that was lost, or begins anew where none is held."""
        if self._held is None:
            self.line = Line(control)
        else:
            control.follow(self._held)

    def lost(self) -> None:
        """Hold the connection that was lost."""
        self._held = self.line.went_down()

    def forget(self) -> None:
        """Hold no connection any more: the seat is gone."""
        self._held = None

    def request(self, login: Login) -> None:
        """Ask for the seat by ``login``; raises ``Refusal`` where none is to be resumed."""
        if self._held is None:
            raise Refusal(ErrorCode.CANNOT_RESUME)
        login.resume(self.token, self._held.received)

    def is_whole(self, resumed: Resumed, participant: int) -> bool:
        """Tell whether all that the server has not received is still kept; ``participant`` is the one of our seat.

        Raises ``Distrust`` for a reply that no honest server gives.
        """
        assert self._held is not None
        if resumed.participant != participant:
            raise Distrust("the server gives us another seat than the one that we had")
        if resumed.number > self._held.sent.number:
            raise Distrust("the server has more messages of ours than we sent")
        return self._held.sent.has_after(resumed.number)

    def resumed(self, resumed: Resumed, control: ControlConnection) -> None:
        """Go on with ``control``: what the server has not received is sent again."""
        held, self._held, self.token = self._held, None, resumed.resume_token
        assert held is not None
        control.take_over(held, resumed.number)
        self.line.come_up(control)

    def is_possible(self, code: ErrorCode | None, action: Action) -> bool:
        """Tell whether a seat goes on after the end of a connection: of its own, or of one that was to resume it."""
        if code is ErrorCode.SHUTDOWN:
            return False
        if self._held is not None:
            return action in (Action.RECONNECT, Action.RESUME)
        return action is Action.RESUME or (code is None and action is Action.RECONNECT)
