import json
from types import SimpleNamespace

import pytest

from tcclient import events
from tcclient.cli.output import MAX_ROSTER, Output
from tcclient.cli.quality import LIMITS
from tcclient.cli.terminal.columns import CONTINUATION
from tcclient.cli.terminal.status_line import Status
from tcclient.core.downlink.cause import NOTHING, Cause
from tcclient.core.downlink.data_meter import DataUse
from tcclient.core.media.quality import Advice
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.core.path.proof import PathState, Way
from tcclient.core.path.statistics import PathStatistics
from tcclient.core.rate.allocation import SendingLimit
from tcclient.participant import Participant
from tcproto.errors import Action, ErrorCode
from tcproto.messages import ChatScope, Kind, Member, Quality, Role, Source


class FakeConsole:
    """Keeps what is written."""

    def __init__(self, columns: int | None) -> None:
        self.columns = columns
        self.shown: list[str] = []
        self.complaints: list[str] = []
        self.statuses: list[Status] = []
        self.opened = self.finished = 0

    def open(self) -> None:
        self.opened += 1

    def show(self, line: str) -> None:
        assert "\n" not in line
        self.shown.append(line)

    def complain(self, line: str) -> None:
        assert "\n" not in line
        self.complaints.append(line)

    def status(self, status: Status) -> None:
        self.statuses.append(status)

    def finish(self) -> None:
        self.finished += 1


def somebody(
    number: int, name: str = "Sri", *, me: bool = False, verified: bool = True, permissions: int = 0, hand: int = 0
) -> Participant:
    account, keys = f"kantor-{number}", (bytes(32), bytes(32), 0, bytes(64), 0)
    member = Member(number, account, "Kantor", name, Role.SPEAKER, *keys, permissions, hand)
    return Participant(RosterEntry(member, verified), unasked, is_me=me)


async def unasked(request: object) -> None:
    raise AssertionError(request)


def room(*participants: Participant) -> SimpleNamespace:
    """A room; the first of ``participants`` is ourselves."""
    return SimpleNamespace(
        info=SimpleNamespace(name="hall", title="", e2ee=True),
        participants={p.id: p for p in participants[1:]},
        everybody=list(participants),
        hands=sorted((p for p in participants if p.hand), key=lambda p: p.hand),
        publications={},
        tracks_of=lambda participant: [],
        path=PathState.OK,
        way=Way.UDP,
        path_statistics=PathStatistics(),
        closed=None,
        me=participants[0],
    )


def output(
    *participants: Participant, as_json: bool = False, columns: int | None = None, listening: bool = False
) -> tuple[Output, FakeConsole]:
    """An output of a room that was just entered."""
    return output_of(room(*participants), as_json=as_json, columns=columns, listening=listening)


def output_of(
    entered: object, *, as_json: bool = False, columns: int | None = None, listening: bool = False
) -> tuple[Output, FakeConsole]:
    console = FakeConsole(columns)
    made = Output(console, as_json=as_json, listening=listening)  # type: ignore[arg-type]
    made.seated(entered)  # type: ignore[arg-type]
    assert console.opened == 1
    return made, console


def texts(console: FakeConsole) -> list[str]:
    """Lines without the time."""
    return [line[9:] for line in console.shown]


def told(console: FakeConsole) -> list[dict]:
    return [json.loads(line) for line in console.shown]


def test_the_roster_with_its_marks_is_told_at_joining() -> None:
    participants = [somebody(1, "Aku", me=True), somebody(2, "Budi"), somebody(3, "Hantu\u202e", verified=False)]
    _, console = output(*participants)
    assert texts(console) == [
        "in room hall, end-to-end encrypted; 3 here",
        "  Kantor / Budi [speaker] only listens",
        "  Kantor / Hantu\ufffd [speaker] only listens (NOT VERIFIED)",
    ]
    _, console = output(*participants, as_json=True)
    (joined,) = told(console)
    assert [(p["account"], p["who"], p["role"], p["me"], p["marks"]) for p in joined["roster"]] == [
        ("kantor-1", "Kantor / Aku", "speaker", True, []),
        ("kantor-2", "Kantor / Budi", "speaker", False, []),
        ("kantor-3", "Kantor / Hantu\u202e", "speaker", False, ["unverified"]),
    ]
    assert joined["participants"] == ["Kantor / Aku", "Kantor / Budi", "Kantor / Hantu\u202e"]


def test_a_full_room_is_listed_in_part_but_for_those_who_are_doubtful() -> None:
    others = [somebody(number, f"N{number}", verified=number != 400) for number in range(2, 502)]
    _, console = output(somebody(1, me=True), *others)
    lines = texts(console)
    assert len(lines) == 1 + MAX_ROSTER + 2
    assert lines[-2] == "  Kantor / N400 [speaker] only listens (NOT VERIFIED)"
    assert lines[-1] == f"  and {500 - MAX_ROSTER - 1} more: /who lists all"


def test_who_is_here_has_roles_and_marks_for_a_script() -> None:
    entered = room(somebody(1, me=True), somebody(2, verified=False))
    made, console = output_of(entered, as_json=True)
    made.roster(entered)  # type: ignore[arg-type]
    _, me, other = told(console)
    assert (me["event"], me["role"], me["me"], me["marks"]) == ("participant", "speaker", True, [])
    assert (other["verified"], other["marks"], other["sends"], other["speaking"]) == (False, ["unverified"], [], False)


@pytest.mark.parametrize(
    ("columns", "listening", "as_json", "lines"),
    [
        (80, False, False, 0),
        (80, True, False, 0),
        (None, False, False, 0),
        (None, True, False, 1),
        (None, False, True, 1),
    ],
)
def test_who_speaks_is_a_line_only_where_no_line_stays(
    columns: int | None, listening: bool, as_json: bool, lines: int
) -> None:
    who = somebody(2, "Budi")
    made, console = output(somebody(1, me=True), who, columns=columns, listening=listening, as_json=as_json)
    before = len(console.shown)
    who.speaking = True
    made.tell(events.SpeakersChanged((who,), who))
    assert len(console.shown) - before == lines
    assert all("Kantor / Budi" in line for line in console.shown[before:])
    assert console.statuses[-1].speaking == ("Kantor / Budi",)


def test_a_bad_connection_is_a_line_and_so_is_its_end() -> None:
    me, who = somebody(1, me=True), somebody(2, "Budi")
    made, console = output(me, who)
    before = len(console.shown)
    for quality in (Quality.GOOD, Quality.POOR, Quality.LOST, Quality.GOOD, Quality.EXCELLENT):
        made.tell(events.ConnectionQuality(who, quality))
    found = [line.partition(" ")[2] for line in console.shown[before:]]
    assert found == [f"connection of Kantor / Budi: {quality}" for quality in ("poor", "lost", "good")]
    who.quality = Quality.POOR
    made.roster(made._room)
    assert console.shown[-1].endswith("only listens, connection poor")
    made.tell(events.ConnectionQuality(who, Quality.POOR))
    made.tell(events.ParticipantLeft(who))
    before = len(console.shown)
    made.tell(events.ConnectionQuality(who, Quality.GOOD))
    assert len(console.shown) == before, "somebody else with its number"


def test_a_script_is_told_of_all_connections() -> None:
    me = somebody(1, me=True)
    made, console = output_of(room(me), as_json=True)
    made.tell(events.ConnectionQuality(me, Quality.GOOD))
    assert told(console)[-1] == {"event": "connection", "who": "Kantor / Sri", "quality": "good"}


class Track:
    """What a line says of a track."""

    def __init__(self, participant: Participant, source: Source) -> None:
        self.participant = participant
        self.source = source
        self.kind = Kind.AUDIO if source is Source.MICROPHONE else Kind.VIDEO
        self.codec, self.muted = "opus", False


def test_what_comes_less_is_told_with_its_reason_and_that_it_comes_again() -> None:
    who = somebody(2, "Budi")
    made, console = output(somebody(1, me=True), who)
    camera = Track(who, Source.CAMERA)
    before = len(console.shown)
    for cause, layer in ((Cause.BANDWIDTH, NOTHING), (Cause.BANDWIDTH, 1), (None, NOTHING), (None, NOTHING)):
        made.tell(events.TrackLimited(camera, cause, layer))
    for cause in (Cause.MUTED, None, Cause.UNSUBSCRIBED, None):
        made.tell(events.TrackLimited(camera, cause))
    assert [line.partition(" ")[2] for line in console.shown[before:]] == [
        "camera of Kantor / Budi stopped: your line is too thin",
        "camera of Kantor / Budi is smaller: your line is too thin",
        "camera of Kantor / Budi comes again",
    ]
    before = len(console.shown)
    for layer in (0, NOTHING):
        made.tell(events.TrackLimited(Track(who, Source.MICROPHONE), Cause.BANDWIDTH, layer))
    assert [line.partition(" ")[2] for line in console.shown[before:]] == [
        "microphone of Kantor / Budi sounds worse: your line is too thin",
        "microphone of Kantor / Budi is not heard: your line is too thin",
    ]
    made.tell(events.TrackLimited(camera, Cause.PUBLISHER))
    made.tell(events.TrackUnpublished(camera))
    before = len(console.shown)
    made.tell(events.TrackLimited(camera, None))
    assert len(console.shown) == before, "the track has ended"


def test_a_script_is_told_of_all_that_comes_less_and_of_the_data() -> None:
    me = somebody(1, me=True)
    there = room(me)
    there.data_used, there.data_cap = DataUse(1, 2, 3.0), 10**8
    made, console = output_of(there, as_json=True)
    made.tell(events.TrackLimited(Track(me, Source.MICROPHONE), Cause.UNSUBSCRIBED))
    made.tell(events.DataCapReached(80, 10**8))
    made.data(there)
    limited, cap, data = told(console)[-3:]
    assert limited == {
        "event": "track_limited", "who": "Kantor / Sri", "source": "microphone", "cause": "unsubscribed", "layer": -1,
    }  # fmt: skip
    assert (cap["event"], cap["percent"], cap["cap_bytes"]) == ("data_cap", 80, 10**8)
    assert data == {"event": "data", "up_bytes": 1, "down_bytes": 2, "per_hour_bytes": 3, "cap_bytes": 10**8}


@pytest.mark.parametrize("advice", [*Advice, None])
def test_advice_is_in_plain_words(advice: Advice | None) -> None:
    made, console = output(somebody(1, me=True))
    made.tell(events.ConnectionAdvice(advice))
    assert "your connection" in console.shown[-1]


@pytest.mark.parametrize("limit", [*SendingLimit, None])
def test_what_limits_us_is_in_plain_words(limit: SendingLimit | None) -> None:
    made, console = output(somebody(1, me=True))
    made.tell(events.SendingLimited(limit))
    assert "sent" in console.shown[-1]
    scripted, told_console = output_of(room(somebody(1, me=True)), as_json=True)
    scripted.tell(events.SendingLimited(limit))
    assert told(told_console)[-1] == {"event": "sending_limited", "text": LIMITS[limit], "limit": limit}


def test_no_text_looks_like_another_line() -> None:
    made, console = output(somebody(1, me=True))
    for scope in (ChatScope.ROOM, ChatScope.PARTICIPANT):
        made.tell(events.ChatReceived(None, "Kantor / Budi", "satu\n12:00:00 Ketua: \x1b[2Jya", scope, 0, b""))
    made.tell(events.Closed(ErrorCode.KICKED, "pergi\n12:00:00 x\u2028y", Action.STOP, 0))
    assert texts(console)[1::2] == [
        "Kantor / Budi: satu",
        "Kantor / Budi (to you alone): satu",
        "closed: pergi",
    ]
    assert console.shown[2] == f"{CONTINUATION}12:00:00 Ketua: \ufffd[2Jya"
    assert all(line.startswith(CONTINUATION) for line in console.shown[2::2])
    made.problem("tidak\nada\x9b")
    assert console.complaints == ["tcclient: tidak", f"{CONTINUATION}ada\ufffd"]


def test_a_text_is_not_changed_for_a_script() -> None:
    made, console = output(somebody(1, me=True), as_json=True)
    text = "mi\u200cx\n\tab\u202e\N{MAN}\u200d\N{WOMAN}"
    made.tell(events.ChatReceived(None, "Kantor / Budi", text, ChatScope.ROOM, 0, b""))
    assert told(console)[-1] == {
        "event": "chat",
        "who": "Kantor / Budi",
        "text": text,
        "scope": "room",
        "sealed": False,
    }


def test_a_mistake_is_told_to_a_script_with_what_was_typed() -> None:
    made, console = output(somebody(1, me=True), as_json=True)
    made.problem("not permitted", ErrorCode.NOT_PERMITTED, "/kick x")
    made.problem("lost")
    assert told(console)[1:] == [
        {"event": "error", "code": "not_permitted", "text": "not permitted", "input": "/kick x"},
        {"event": "error", "code": None, "text": "lost"},
    ]
    assert console.complaints == ["tcclient: not permitted", "tcclient: lost"]


def test_what_is_sent_stays_in_the_line() -> None:
    def sent(kind: Kind, *, muted: bool = False, is_open: bool = True, ended: bool = False) -> SimpleNamespace:
        source = SimpleNamespace(source=Source.MICROPHONE if kind is Kind.AUDIO else Source.CAMERA)
        return SimpleNamespace(source=source, muted=muted, open=is_open and not muted, ended=ended)

    entered = room(somebody(1, me=True))
    made, console = output_of(entered, columns=80)
    for publications, microphone, camera in (
        ([], "off", "off"),
        ([sent(Kind.AUDIO), sent(Kind.VIDEO, muted=True)], "on", "muted"),
        ([sent(Kind.AUDIO, is_open=False), sent(Kind.VIDEO, ended=True)], "hushed", "off"),
        ([sent(Kind.AUDIO, muted=True), sent(Kind.VIDEO)], "muted", "on"),
    ):
        entered.publications = dict(enumerate(publications))
        made.refresh()
        assert (console.statuses[-1].microphone, console.statuses[-1].camera) == (microphone, camera)
    assert len(console.shown) == 1
    made.finish()
    assert console.finished == 1
