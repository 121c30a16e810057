"""The conference: who may log in, who sits in which room, who gets what. Pure: no clock, no socket, no database."""

from tcserver.conference.conference import Conference
from tcserver.conference.effects import (
    Crash,
    Disconnect,
    Effect,
    FindAccount,
    FindDevices,
    LogEvent,
    MediaCommand,
    SavePassword,
    SaveRoom,
    Send,
    SessionEnded,
    SessionStarted,
    Where,
)
from tcserver.conference.permissions import ROLE_PERMISSIONS
from tcserver.conference.settings import MessageClass, Rate, Settings

__all__ = [
    "ROLE_PERMISSIONS",
    "Conference",
    "Crash",
    "Disconnect",
    "Effect",
    "FindAccount",
    "FindDevices",
    "LogEvent",
    "MediaCommand",
    "MessageClass",
    "Rate",
    "SavePassword",
    "SaveRoom",
    "Send",
    "SessionEnded",
    "SessionStarted",
    "Settings",
    "Where",
]
