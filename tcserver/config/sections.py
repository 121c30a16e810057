"""The sections of the configuration. Every setting is declared once: its kind and range, its help and its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tcproto.link import DEFAULT_WEB_PORT
from tcserver.config.texts import Address, Addresses, Host, Hosts, Line, Networks
from tcserver.records import DEFAULT_MAX_SESSIONS, MAX_PARTICIPANTS_CEILING, MAX_SESSIONS_CEILING
from tcserver.records.declaration import Declaration
from tcserver.records.kinds import Choice, Flag, Number, Whole

LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_WORKERS = 64
"""Media processes: more than one for each core costs, and brings nothing."""


@dataclass(frozen=True)
class ServerSection:
    """Where the server listens and keeps its files."""

    addresses: Annotated[
        tuple[str, ...], Declaration(Addresses(), "IP addresses to listen on, TCP and UDP; none: all, IPv4 and IPv6")
    ] = ()
    port: Annotated[int, Declaration(Whole(0, 65_535), "TCP and UDP port; 0: any free one")] = 7433
    workers: Annotated[
        int,
        Declaration(
            Whole(0, MAX_WORKERS), "media processes that share the rooms; 0: none, one process does everything"
        ),
    ] = 0
    room_spread: Annotated[
        int,
        Declaration(
            Whole(1, MAX_PARTICIPANTS_CEILING),
            "participants of a room on one media process before the room spreads to the others",
            live=True,
        ),
    ] = 100
    """One core serves so many with ease."""
    data: Annotated[str, Declaration(Line(), "data directory; empty: $XDG_DATA_HOME/tcserver")] = ""
    maintenance: Annotated[
        bool,
        Declaration(Flag(), "whether only accounts with the role admin may log in; participants stay", live=True),
    ] = False
    public_host: Annotated[
        str, Declaration(Host(), "host name or address in the join link; empty: the server finds one")
    ] = ""


@dataclass(frozen=True)
class LoginSection:
    """What clients may do before and during a login."""

    time_limit_s: Annotated[float, Declaration(Number(1, 120), "seconds from connection to login", live=True)] = 10.0
    max_half_open_per_address: Annotated[
        int, Declaration(Whole(1, 10_000), "connections of one address that have not logged in", live=True)
    ] = 64
    """An office of 35 behind one address fits twice."""
    max_half_open: Annotated[int, Declaration(Whole(1, 100_000), "connections that have not logged in", live=True)] = (
        1024
    )
    """The bound of what strangers make the server remember."""
    max_sessions: Annotated[int, Declaration(Whole(1, 100_000), "sessions of the server", live=True)] = 1000
    """Beyond it, logins are answered ``server_full``."""
    max_sessions_per_account: Annotated[
        int, Declaration(Whole(1, MAX_SESSIONS_CEILING), "sessions of an account that is made from now on", live=True)
    ] = DEFAULT_MAX_SESSIONS
    attempts: Annotated[
        int, Declaration(Whole(1, 100), "failed logins of a connection before it is closed", live=True)
    ] = 3
    """Each further guess costs a new handshake."""
    back_off_s: Annotated[
        float,
        Declaration(
            Number(0, 300),
            "seconds before a stranger may try an account again after a failed login; doubles each time; 0: none",
            live=True,
        ),
    ] = 1.0
    logins_per_s: Annotated[
        float, Declaration(Number(1, 10_000), "logins per second of the whole server, in the long run")
    ] = 50.0
    login_burst: Annotated[int, Declaration(Whole(1, 10_000), "logins at once before logins_per_s holds")] = 100
    """A storm of logins after a restart must not delay those who are in a meeting."""


@dataclass(frozen=True)
class RoomsSection:
    """Rooms, permanent and temporary."""

    temporary: Annotated[
        bool, Declaration(Flag(), "whether somebody who joins an unknown room makes it", live=True)
    ] = True
    max_rooms: Annotated[int, Declaration(Whole(1, 100_000), "temporary rooms open at once", live=True)] = 256
    """Each costs the media plane a sealer. Permanent rooms always open."""
    max_rooms_per_account: Annotated[
        int, Declaration(Whole(1, 100_000), "temporary rooms open at once that one account has opened", live=True)
    ] = 16
    """So that no account uses up ``max_rooms``."""
    max_participants: Annotated[
        int,
        Declaration(Whole(1, MAX_PARTICIPANTS_CEILING), "participants of any room, whatever its own limit", live=True),
    ] = 500
    loudest: Annotated[
        int,
        Declaration(
            Whole(0, MAX_PARTICIPANTS_CEILING),
            "loudest talkers that are forwarded in a room of more than 8 participants; 0: all",
            live=True,
        ),
    ] = 3
    """More than three at once nobody can follow. Holds from the next change of a room."""
    empty_close_s: Annotated[
        float, Declaration(Number(0, 86_400), "seconds a temporary room stays after the last leave", live=True)
    ] = 20.0
    """Long enough to come back after a dead connection."""
    unused_close_s: Annotated[
        float, Declaration(Number(1, 86_400), "seconds a temporary room waits for its first join", live=True)
    ] = 300.0
    kick_s: Annotated[
        float,
        Declaration(Number(0, 86_400), "seconds before somebody who was kicked can enter again", live=True),
    ] = 300.0
    """0: a kick takes only the seat."""
    joins_per_s: Annotated[
        float, Declaration(Number(1, 10_000), "joins per second of the whole server, in the long run")
    ] = 50.0
    join_burst: Annotated[int, Declaration(Whole(1, 10_000), "joins at once before joins_per_s holds")] = 100
    """Each join is told to everybody in the room."""


@dataclass(frozen=True)
class LimitsSection:
    """What one session may ask of the server."""

    max_publications: Annotated[int, Declaration(Whole(1, 32), "publications of one participant", live=True)] = 8
    """Microphone, camera, screen, and room for tests."""
    messages_per_s: Annotated[
        float, Declaration(Number(1, 10_000), "control messages of all kinds per second, in the long run", live=True)
    ] = 200.0
    message_burst: Annotated[
        int, Declaration(Whole(1, 100_000), "control messages at once before messages_per_s holds", live=True)
    ] = 1000
    account_ms_per_s: Annotated[
        float,
        Declaration(
            Number(1, 1000),
            "milliseconds of processor time that an account's control messages may take per second, in the long run",
            live=True,
        ),
    ] = 50.0
    """5 % of a core."""
    account_burst_ms: Annotated[
        float,
        Declaration(
            Number(50, 1_000_000), "milliseconds of processor time at once before account_ms_per_s holds", live=True
        ),
    ] = 1000.0
    """A large agency needs a second when all of its participants come or go."""
    chat_per_s: Annotated[
        float,
        Declaration(
            Number(0.01, 100), "chat messages per second, in the long run; a long one counts as several", live=True
        ),
    ] = 2.0
    chat_burst: Annotated[
        int, Declaration(Whole(1, 1000), "chat messages at once before chat_per_s holds", live=True)
    ] = 20
    idle_s: Annotated[
        float, Declaration(Number(10, 600), "seconds of silence after which a connection is over", live=True)
    ] = 15.0
    resume_s: Annotated[
        float,
        Declaration(
            Number(0, 600), "seconds for which a seat is kept after its connection was lost; 0: not at all", live=True
        ),
    ] = 60.0
    """Most outages of mobile networks are shorter. A seat that is kept counts as any other."""


@dataclass(frozen=True)
class MediaSection:
    """The media path."""

    sender: Annotated[
        str,
        Declaration(
            Choice(("auto", "gso", "sendmmsg", "sendto", "bpf")),
            "system calls to send with; bpf: the kernel makes the copies of datagrams",
        ),
    ] = "auto"
    receiver: Annotated[
        str, Declaration(Choice(("auto", "gro", "recvmmsg", "recvfrom")), "system calls to receive with")
    ] = "auto"
    socket_buffer_bytes: Annotated[
        int,
        Declaration(Whole(65_536, 268_435_456), "bytes of socket buffer that the server asks for, in each direction"),
    ] = 4_194_304
    ring_datagrams: Annotated[
        int, Declaration(Whole(64, 8192), "datagrams of each room that are kept, to be sent again")
    ] = 1024
    dscp: Annotated[
        bool,
        Declaration(Flag(), "whether packets are marked, so that a network may serve sound first (DSCP)"),
    ] = True
    audio_kbit_s: Annotated[float, Declaration(Number(6, 2000), "highest rate of an audio publication", live=True)] = (
        160.0
    )
    audio_packets_s: Annotated[
        float, Declaration(Number(5, 1000), "packets per second of an audio publication", live=True)
    ] = 130.0
    """Opus at 64 kbit/s with two copies, at 10 ms per packet, fits the rate and the packets."""
    video_kbit_s: Annotated[
        float, Declaration(Number(50, 100_000), "highest rate of a video publication", live=True)
    ] = 4000.0
    video_packets_s: Annotated[
        float, Declaration(Number(10, 20_000), "packets per second of a video publication", live=True)
    ] = 1000.0
    """Three layers up to 720p fit the rate and the packets."""
    screen_kbit_s: Annotated[
        float, Declaration(Number(50, 100_000), "highest rate of a screen publication", live=True)
    ] = 6000.0
    screen_packets_s: Annotated[
        float, Declaration(Number(10, 20_000), "packets per second of a screen publication", live=True)
    ] = 1500.0
    """Text at 1080p, in bursts, fits the rate and the packets."""


@dataclass(frozen=True)
class WebSection:
    """The web page, and the way of clients that UDP does not get through to."""

    enabled: Annotated[
        bool, Declaration(Flag(), "whether server.port also serves HTTPS: the web page, and clients without UDP")
    ] = True
    port: Annotated[
        int, Declaration(Whole(0, 65_535), "one more TCP port for HTTPS; 443: web links need no port; 0: none")
    ] = 0
    redirect_port: Annotated[
        int, Declaration(Whole(0, 65_535), "TCP port that sends browsers on to HTTPS, usually 80; 0: none")
    ] = 0
    certificate: Annotated[
        str,
        Declaration(
            Line(), "file with the certificate and its chain, in PEM; empty: the server signs one itself", live=True
        ),
    ] = ""
    key: Annotated[
        str, Declaration(Line(), "file with the key of web.certificate, in PEM; empty: it is in that file", live=True)
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        Declaration(
            Hosts(),
            "host names that browsers may use, besides server.public_host and those of the certificate",
            live=True,
        ),
    ] = ()
    plain: Annotated[
        bool,
        Declaration(
            Flag(), "whether HTTP without encryption is answered at 127.0.0.1 and ::1, for a reverse proxy there"
        ),
    ] = False
    trusted_proxies: Annotated[
        tuple[str, ...], Declaration(Networks(), "reverse proxies that are believed about the addresses of clients")
    ] = ()
    max_connections: Annotated[
        int, Declaration(Whole(16, 100_000), "connections of browsers, without those in a meeting", live=True)
    ] = 1024
    max_connections_per_address: Annotated[
        int, Declaration(Whole(6, 100_000), "connections of browsers of one address", live=True)
    ] = 256

    def link_port(self, server_port: int) -> int:
        """Return the port of web links: behind a reverse proxy that of https, which is the proxy's."""
        return DEFAULT_WEB_PORT if self.plain else self.port or server_port


@dataclass(frozen=True)
class HttpSection:
    """Metrics for a monitoring system, over HTTP without encryption or login."""

    address: Annotated[
        str, Declaration(Address(), "IP address of /metrics and /healthz; no stranger should reach it")
    ] = "127.0.0.1"
    port: Annotated[int, Declaration(Whole(0, 65_535), "TCP port of /metrics and /healthz; 0: none")] = 0


@dataclass(frozen=True)
class FaultsSection:
    """Faults that the server makes on purpose, for tests of meetings on bad lines; none by default."""

    datagram_loss: Annotated[
        float, Declaration(Number(0, 1), "share of the datagrams that is dropped, in each direction; for tests")
    ] = 0.0
    datagram_delay_ms: Annotated[
        float, Declaration(Number(0, 10_000), "milliseconds by which datagrams leave late; for tests")
    ] = 0.0
    receiver_kbit_s: Annotated[
        float, Declaration(Number(0, 1_000_000), "rate of datagrams that each receiver gets; 0: any; for tests")
    ] = 0.0
    cut_s: Annotated[
        float, Declaration(Number(0, 86_400), "seconds between two cuts of all TCP connections; 0: none; for tests")
    ] = 0.0

    def any(self) -> bool:
        """Return whether any fault is made."""
        return self != FaultsSection()


@dataclass(frozen=True)
class LogSection:
    """The log, on standard error."""

    level: Annotated[str, Declaration(Choice(LOG_LEVELS), "lowest severity that is logged", live=True)] = "info"
    format: Annotated[str, Declaration(Choice(("text", "json")), "key=value text or JSON lines")] = "text"


@dataclass(frozen=True)
class Configuration:
    """The effective configuration, one attribute for each section of the file."""

    server: ServerSection = ServerSection()
    login: LoginSection = LoginSection()
    rooms: RoomsSection = RoomsSection()
    limits: LimitsSection = LimitsSection()
    media: MediaSection = MediaSection()
    web: WebSection = WebSection()
    http: HttpSection = HttpSection()
    faults: FaultsSection = FaultsSection()
    log: LogSection = LogSection()
