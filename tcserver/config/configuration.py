"""The configuration: every setting with its help, range and default; read from a file, the environment and flags.

Later sources win: the defaults, the TOML file, environment variables ``TCSERVER_SECTION_KEY``, flags. Whatever is
unknown or out of range stops the start, with the source and the key named.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tcserver.config.setting import Setting, Value, toml
from tcserver.records import (
    DEFAULT_MAX_SESSIONS,
    MAX_PARTICIPANTS_CEILING,
    MAX_SESSIONS_CEILING,
)

ENVIRONMENT_PREFIX = "TCSERVER_"
MAX_FILE_BYTES = 1024 * 1024
"""Bytes of a configuration file; a larger file is some other file."""
MAX_WORKERS = 64
"""Media processes: more than one for each core cost and bring nothing."""


class ConfigurationError(Exception):
    """A setting that is unknown or out of range; the text is one line with source, key and what it should be."""


def _setting(default: Value, help: str, **known: Any) -> Any:  # noqa: A002 - the argparse word for it
    return field(default=default, metadata={"setting": Setting(help, **known)})


@dataclass(frozen=True)
class ServerSection:
    """Where the server listens and keeps its files."""

    addresses: tuple[str, ...] = _setting(
        (), "IP addresses to listen on, TCP and UDP; none: all, IPv4 and IPv6", address=True
    )
    port: int = _setting(7433, "TCP and UDP port; 0: any free one", high=65535)
    workers: int = _setting(
        0, "media processes that rooms are spread over; 0: all in one process, without any", high=MAX_WORKERS
    )
    room_spread: int = _setting(
        100,
        "people of a room on one media process before the room spreads to the others",
        low=1,
        high=MAX_PARTICIPANTS_CEILING,
        live=True,
    )
    data: str = _setting("", "data directory; empty: $XDG_DATA_HOME/tcserver")
    maintenance: bool = _setting(
        False, "whether only accounts with the role admin may log in; who is in stays", live=True
    )
    public_host: str = _setting("", "host name or address in the join link; empty: found out", host=True)


@dataclass(frozen=True)
class LoginSection:
    """What happens before a login and at it."""

    time_limit_s: float = _setting(10.0, "seconds from connection to login", low=1, high=120, live=True)
    max_half_open_per_address: int = _setting(
        64, "connections of one address that have not logged in", low=1, high=10_000, live=True
    )
    max_half_open: int = _setting(1024, "connections that have not logged in", low=1, high=100_000, live=True)
    max_sessions: int = _setting(1000, "sessions of the server", low=1, high=100_000, live=True)
    max_sessions_per_account: int = _setting(
        DEFAULT_MAX_SESSIONS, "sessions of an account made from now on", low=1, high=MAX_SESSIONS_CEILING, live=True
    )
    attempts: int = _setting(3, "failed logins of a connection before it is closed", low=1, high=100, live=True)
    logins_per_s: float = _setting(50.0, "logins per second of all, in the long run", low=1, high=10_000)
    login_burst: int = _setting(100, "logins at once before that holds", low=1, high=10_000)


@dataclass(frozen=True)
class RoomsSection:
    """Rooms, permanent and temporary."""

    temporary: bool = _setting(True, "whether joining an unknown room makes it", live=True)
    max_rooms: int = _setting(256, "temporary rooms open at once", low=1, high=100_000, live=True)
    max_rooms_per_account: int = _setting(
        16, "temporary rooms open at once that one account has opened", low=1, high=100_000, live=True
    )
    max_participants: int = _setting(
        500, "participants of any room, whatever its own limit", low=1, high=MAX_PARTICIPANTS_CEILING, live=True
    )
    loudest: int = _setting(
        3, "talkers forwarded in a room of more than 8, the loudest; 0: all", high=MAX_PARTICIPANTS_CEILING, live=True
    )
    empty_close_s: float = _setting(20.0, "seconds a temporary room stays after the last leave", high=86_400, live=True)
    unused_close_s: float = _setting(
        300.0, "seconds a temporary room waits for its first join", low=1, high=86_400, live=True
    )
    kick_s: float = _setting(
        300.0, "seconds for which somebody who was kicked does not get in again", high=86_400, live=True
    )
    joins_per_s: float = _setting(50.0, "joins per second of all, in the long run", low=1, high=10_000)
    join_burst: int = _setting(100, "joins at once before that holds", low=1, high=10_000)


@dataclass(frozen=True)
class LimitsSection:
    """What one session may ask of the server."""

    max_publications: int = _setting(8, "publications of one participant", low=1, high=32, live=True)
    messages_per_s: float = _setting(
        200.0, "control messages per second of all kinds, in the long run", low=1, high=10_000, live=True
    )
    message_burst: int = _setting(1000, "control messages at once before that holds", low=1, high=100_000, live=True)
    account_ms_per_s: float = _setting(
        50.0, "milliseconds of processor time that an account's control messages may take per second, in the long run",
        low=1, high=1000, live=True,
    )  # fmt: skip
    account_burst_ms: float = _setting(
        1000.0, "milliseconds of it at once before that holds", low=50, high=1_000_000, live=True
    )
    chat_per_s: float = _setting(2.0, "chat messages per second, in the long run", low=0.01, high=100, live=True)
    chat_burst: int = _setting(20, "chat messages at once before that holds", low=1, high=1000, live=True)
    idle_s: float = _setting(15.0, "seconds of silence after which a connection is over", low=10, high=600, live=True)


@dataclass(frozen=True)
class MediaSection:
    """The media path."""

    sender: str = _setting("auto", "system calls to send with", choices=("auto", "gso", "sendmmsg", "sendto"))
    receiver: str = _setting("auto", "system calls to receive with", choices=("auto", "gro", "recvmmsg", "recvfrom"))
    socket_buffer_bytes: int = _setting(4_194_304, "socket buffer to ask for, each way", low=65_536, high=268_435_456)
    ring_datagrams: int = _setting(1024, "datagrams kept of each room, to be sent again", low=64, high=8192)
    audio_kbit_s: float = _setting(160.0, "highest rate of an audio publication", low=6, high=2000, live=True)
    audio_packets_s: float = _setting(130.0, "packets per second of an audio publication", low=5, high=1000, live=True)
    video_kbit_s: float = _setting(4000.0, "highest rate of a video publication", low=50, high=100_000, live=True)
    video_packets_s: float = _setting(
        1000.0, "packets per second of a video publication", low=10, high=20_000, live=True
    )
    screen_kbit_s: float = _setting(6000.0, "highest rate of a screen publication", low=50, high=100_000, live=True)
    screen_packets_s: float = _setting(
        1500.0, "packets per second of a screen publication", low=10, high=20_000, live=True
    )


@dataclass(frozen=True)
class HttpSection:
    """Figures for a monitoring system, by HTTP without encryption or login."""

    address: str = _setting("127.0.0.1", "IP address of /metrics and /healthz, for no stranger to reach", address=True)
    port: int = _setting(0, "TCP port of /metrics and /healthz; 0: none", high=65535)


@dataclass(frozen=True)
class LogSection:
    """The log, on standard error."""

    level: str = _setting(
        "info", "least severity that is logged", choices=("debug", "info", "warning", "error"), live=True
    )
    format: str = _setting("text", "key=value text or JSON lines", choices=("text", "json"))


@dataclass(frozen=True)
class Configuration:
    """The effective configuration, one attribute for each section of the file."""

    server: ServerSection = ServerSection()
    login: LoginSection = LoginSection()
    rooms: RoomsSection = RoomsSection()
    limits: LimitsSection = LimitsSection()
    media: MediaSection = MediaSection()
    http: HttpSection = HttpSection()
    log: LogSection = LogSection()


_DEFAULTS = Configuration()


class _Text(NamedTuple):
    """A value from the environment or a flag, still to be read."""

    text: str


class Change(NamedTuple):
    """A key that differs between two configurations, and whether the running server can take it."""

    key: str
    live: bool


def settings() -> Iterator[tuple[str, Setting, Value]]:
    """Each key as ``section.key``, what is known about it, and its default."""
    for section in dataclasses.fields(Configuration):
        for key in dataclasses.fields(getattr(_DEFAULTS, section.name)):
            yield f"{section.name}.{key.name}", key.metadata["setting"], get(_DEFAULTS, f"{section.name}.{key.name}")


@dataclass(frozen=True)
class Sources:
    """Where the configuration comes from; loaded at the start and again at each reload."""

    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    """Text by ``section.key``."""
    required: bool = True
    """Whether a missing file is an error."""

    def load(self) -> Configuration:
        """The effective configuration. Raises `ConfigurationError` for the first thing that is wrong."""
        return _load(self)


def get(configuration: Configuration, key: str) -> Value:
    """The value of ``section.key``."""
    section, _, name = key.partition(".")
    value: Value = getattr(getattr(configuration, section), name)
    return value


def changes(old: Configuration, new: Configuration) -> list[Change]:
    """What a reload changes, in the order of the file."""
    return [Change(key, known.live) for key, known, _ in settings() if get(old, key) != get(new, key)]


def merge_live(old: Configuration, new: Configuration) -> Configuration:
    """``old`` with what a reload can apply from ``new``."""
    for key, live in changes(old, new):
        if live:
            section, _, name = key.partition(".")
            old = replace(old, **{section: replace(getattr(old, section), **{name: get(new, key)})})
    return old


def dump(configuration: Configuration) -> str:
    """The configuration as a TOML file with its help as comments; it holds no secrets."""
    lines: list[str] = []
    open_section = ""
    for key, known, default in settings():
        section, _, name = key.partition(".")
        if section != open_section:
            lines += [""] * bool(lines) + [f"[{section}]"]
            open_section = section
        value = get(configuration, key)
        lines.append(f"# {known.help} ({known.allowed(default)})")
        lines.append(f"{name} = {toml(value)}")
    return "\n".join(lines) + "\n"


def _load(sources: Sources) -> Configuration:
    configuration = _DEFAULTS
    if sources.file is not None:
        for key, value in _file_values(sources.file, required=sources.required):
            configuration = _with(configuration, str(sources.file), key, value)
    by_variable = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key, _, _ in settings()}
    for variable in sorted(sources.environment):
        if variable.startswith(ENVIRONMENT_PREFIX):
            if variable not in by_variable:
                raise ConfigurationError(f"environment: {variable} is no setting; see: tcserver config")
            configuration = _with(
                configuration, f"environment: {variable}", by_variable[variable], _Text(sources.environment[variable])
            )
    for key, text in sources.flags.items():
        configuration = _with(configuration, "flag", key, _Text(text))
    return configuration


def _file_values(file: Path, *, required: bool) -> Iterator[tuple[str, object]]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{file}: more than {MAX_FILE_BYTES} bytes")
        document = tomllib.loads(content.decode("utf-8-sig"))  # editors of Windows put a byte order mark before it
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"{file}: there is no such file") from None
        return
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: no TOML: {error}") from None
    for section, values in document.items():
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: {section} stands outside a section")
        if not values and not hasattr(_DEFAULTS, section):
            raise ConfigurationError(f"{file}: [{section}] is no section; see: tcserver config")
        for name, value in values.items():
            yield f"{section}.{name}", value


def _with(configuration: Configuration, source: str, key: str, value: object) -> Configuration:
    """``configuration`` with one key replaced; ``value`` is one of the file's, or a `_Text`."""
    known = {name: (setting, default) for name, setting, default in settings()}
    if key not in known:
        raise ConfigurationError(f"{source}: {key} is no setting; see: tcserver config")
    setting, default = known[key]
    try:
        read = setting.read_text(value.text, default) if isinstance(value, _Text) else setting.read_toml(value, default)
    except ValueError:
        given = repr(value.text) if isinstance(value, _Text) else toml(value)
        raise ConfigurationError(f"{source}: {key} should be {setting.allowed(default)}, not {given}") from None
    section, _, name = key.partition(".")
    return replace(configuration, **{section: replace(getattr(configuration, section), **{name: read})})
