"""Sessions, of which the running server writes a list for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tcserver.records.account import DEVICE_KEY, TIME
from tcserver.records.declaration import Declaration
from tcserver.records.kinds import Name

_AS_IT_IS = Declaration(Name(str))
"""A text that the server has made or cleaned."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session: somebody is logged in."""

    session_id: Annotated[str, _AS_IT_IS]
    account: Annotated[str, Declaration(Name(str), is_column=False)]
    device_key: Annotated[bytes, Declaration(DEVICE_KEY)]
    display: Annotated[str, _AS_IT_IS]
    address: Annotated[str, _AS_IT_IS]
    since: Annotated[float, Declaration(TIME)]


def session_id(number: int) -> str:
    """Return the number of a session as operators read it, in the list of sessions and in the log."""
    return f"{number:08x}"
