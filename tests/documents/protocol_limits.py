"""The timers and limits of PROTOCOL.md, from the code.

``python -m tests.documents.protocol_limits`` brings them up to date.

It has only those that the other side of a connection can notice, in the words of the document.
"""

from __future__ import annotations

from tcclient.core import control as client_control
from tcclient.core import texts
from tcclient.core.keys import key_inbox, own_key
from tcclient.core.membership import snapshots
from tcclient.core.path import media_path as client_path
from tcclient.core.path import proof as client_proof
from tcclient.video import assembly
from tcproto import (
    account,
    beacon,
    codec,
    control,
    copies,
    datagram,
    feedback,
    fields,
    framing,
    keyring,
    link,
    names,
    packet,
    path,
    replay,
    resumption,
    sender_key,
    stream_path,
    text,
    urgent,
)
from tcproto.document import DOCUMENT, replaced
from tcproto.messages import row_of, types
from tcserver.conference.dispatch import COMMANDS
from tcserver.conference.limits import admission, passing
from tcserver.conference.login import authenticator, back_off, half_open
from tcserver.conference.requests import chat
from tcserver.conference.room import change_log, kicks, qualities, sealer, seat, stream_ids
from tcserver.conference.settings import Settings
from tcserver.daemon.control_peer import MAX_BYTES_BEFORE_LOGIN
from tcserver.media.forwarding import arrivals, repeats
from tcserver.media.forwarding import path as server_path
from tcserver.media.forwarding import seat as media_seat
from tcserver.media.speakers import preroll

_DEFAULT = Settings()
_MIB = 1 << 20


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _seconds(value: float) -> str:
    if value and value < 1:
        return f"{_number(round(value * 1000, 3))} ms"
    return f"{_number(value)} s" if value < 3600 else f"{_number(value / 3600)} h"


_Row = tuple[str, str]


def _control() -> list[_Row]:
    return [
        ("port, TCP and UDP, where a link names none", _number(link.DEFAULT_PORT)),
        ("frame before the login, at most", f"{_number(framing.LIMIT_BEFORE_LOGIN)} bytes"),
        ("frame after it, at most", f"{_number(framing.MAX_FRAME)} bytes"),
        ("message, at most", f"{_number(codec.MAX_MESSAGE)} bytes"),
        ("values of a message", _number(codec.MAX_VALUES)),
        ("arrays and maps inside each other, the message included", _number(codec.MAX_DEPTH)),
        ("pairs of a map", _number(codec.MAX_MAP_LEN)),
        ("elements of an array", _number(fields.MAX_ARRAY_LEN)),
        ("str, bin", f"{_number(fields.MAX_STR_LEN)}, {_number(fields.MAX_BIN_LEN)} bytes"),
        ("requests of a side without their reply", _number(control.MAX_OPEN_REQUESTS)),
        ("`ping` after so long without anything from the other side", _seconds(client_control.CONTROL_PING)),
        ("the connection is dead after so long without anything", _seconds(path.CONTROL_TIMEOUT)),
        ("counted messages that a side keeps, to be sent again", f"{_number(resumption.MAX_KEPT_BYTES // 1024)} KiB"),
    ]


def _names() -> list[_Row]:
    least, most = account.MEMORY_FLOOR // _MIB, account.MEMORY_CEILING // _MIB
    return [
        ("account name, folded", f"{names.MAX_ACCOUNT_CHARACTERS} characters"),
        ("display name, name of a room", f"{names.MAX_DISPLAY_CHARACTERS} characters"),
        ("marks on one letter", _number(names.MAX_MARKS)),
        ("password in NFKC", f"{_number(account.MAX_PASSWORD_BYTES)} bytes"),
        ("Argon2id: memory that a client takes part in", f"{least} to {most} MiB"),
        ("Argon2id: passes that a client takes part in", f"{account.PASSES_FLOOR} to {account.PASSES_CEILING}"),
    ]


def _room() -> list[_Row]:
    return [
        ("changes are collected for at most", _seconds(change_log.BATCH_INTERVAL)),
        (
            "changes, key boxes, receipts of one message",
            f"{types.MAX_CHANGES}, {types.MAX_KEY_BOXES}, {types.MAX_KEY_BOXES}",
        ),
        ("members, publications of a page of `snapshot`", f"{types.MEMBERS_PER_PAGE}, {types.PUBLICATIONS_PER_PAGE}"),
        ("a client asks for a snapshot again after", _seconds(snapshots.SNAPSHOT_RETRY)),
        ("room keys in `joined`; more follow as `room_key`", _number(types.MAX_JOINED_KEYS)),
        (
            "a stream id comes back after; at the earliest",
            f"{_seconds(stream_ids.QUARANTINE)}; {_seconds(stream_ids.MIN_QUARANTINE)}",
        ),
        (
            "a client keeps key boxes of who is not in its roster yet",
            f"{key_inbox.MAX_EARLY_BOXES} for {_seconds(key_inbox.EARLY_BOX_HOLD)}",
        ),
        (
            "a client keeps texts whose sender or key it does not know yet",
            f"{texts.MAX_HELD_TEXTS} for {_seconds(texts.TEXT_HOLD)}",
        ),
        ("message ids that a client remembers", _number(texts.MAX_SHOWN_TEXTS)),
    ]


def _media() -> list[_Row]:
    proof = ", ".join(_number(sum(client_proof.PROOF_INTERVALS[:i])) for i in range(3))
    return [
        ("datagram", f"{datagram.MIN_DATAGRAM} to {_number(datagram.MAX_DATAGRAM)} bytes"),
        ("items of an up datagram", _number(datagram.MAX_UP_ITEMS)),
        ("replay window of a session key", f"{_number(replay.SESSION_WINDOW)} counters"),
        ("replay window of a room key, and height of the ceiling", f"{_number(replay.SEALER_WINDOW)} counters"),
        (
            "a new session or room key is due after",
            f"2^{datagram.REKEY_COUNTER.bit_length() - 1} datagrams, {_seconds(datagram.KEY_LIFETIME)}",
        ),
        (
            "a sealer uses a new room key so long after it is announced, at the earliest",
            _seconds(sealer.ROTATION_DELAY),
        ),
        ("a new room key of one sealer comes at most every", _seconds(sealer.ROTATION_INTERVAL)),
        ("a key that was replaced is accepted for", _seconds(datagram.KEY_OVERLAP)),
        (
            "first pings, after `joined`",
            f"{proof} s, then every {_seconds(client_proof.PROOF_INTERVALS[-1])}",
        ),
        ("the path counts as lost without a first answer after", _seconds(client_proof.PROOF_TIMEOUT)),
        ("ping while the path is lost, every", _seconds(path.PING_INTERVAL_LOST)),
        ("ping while the client publishes or subscribes, every", _seconds(path.PING_INTERVAL_CALL)),
        ("ping otherwise, every", _seconds(path.PING_INTERVAL_IDLE)),
        (
            "ping when nothing came for so long after a ping; then every",
            f"{_seconds(path.PING_PATIENCE)}; {_seconds(path.PING_INTERVAL_SILENT)}",
        ),
        ("ping when nothing came for so long while somebody speaks", _seconds(path.SPEECH_PATIENCE)),
        ("the path counts as lost, for the client, when nothing came for", _seconds(path.PATH_SILENCE)),
        (
            "the path counts as lost, for the server, after so long without a datagram",
            _seconds(server_path.PATH_TIMEOUT),
        ),
        ("everybody is told that a seat is lost, after so long without a datagram", _seconds(server_path.SILENCE)),
        ("qualities are told at most every", _seconds(qualities.QUALITY_INTERVAL)),
        ("a path challenge can be answered for", _seconds(path.CHALLENGE_LIFETIME)),
        ("a path moves from one proved address to another at most every", _seconds(server_path.MOVE_INTERVAL)),
        ("to an address that has not proved itself goes at most, times what came", _number(server_path.AMPLIFICATION)),
        ("pings out of turn, for a datagram above the ceiling, at most every", _seconds(client_path.POSITION_INTERVAL)),
        ("a packet is sent again at most every", _seconds(feedback.REPEAT_INTERVAL)),
        ("requests for a packet, at most", _number(feedback.MAX_TRIES)),
        ("arrivals are reported at most every", _seconds(feedback.LEAST_ARRIVAL_INTERVAL)),
        ("arrivals are reported at least every", _seconds(feedback.MOST_ARRIVAL_INTERVAL)),
        ("a request for arrival reports is good for", _seconds(arrivals.ASKED_FOR)),
        ("a receiver reports every", _seconds(feedback.REPORT_INTERVAL)),
        ("an urgent message, at most", f"{_number(urgent.MAX_URGENT)} bytes"),
    ]


def _stream() -> list[_Row]:
    return [
        ("bytes of the control connection in one message", _number(stream_path.MAX_CONTROL_BYTES)),
        ("message, at most", f"{_number(stream_path.MAX_MESSAGE)} bytes"),
        ("datagrams wait from so many unsent bytes on", _number(stream_path.MAX_UNSENT)),
        ("a datagram is small up to", f"{_number(datagram.LARGE)} bytes"),
        (
            "a datagram is dropped after: small; large",
            f"{_seconds(stream_path.SMALL_PATIENCE)}; {_seconds(stream_path.LARGE_PATIENCE)}",
        ),
        (
            "datagrams that wait, at most: small; large",
            f"{_number(stream_path.MAX_SMALL)}; {_number(stream_path.MAX_LARGE)}",
        ),
    ]


def _packets() -> list[_Row]:
    low, high = packet.KEYFRAME_REQUEST_INTERVAL, packet.KEYFRAME_INTERVAL
    return [
        ("packet, at most", f"{_number(packet.MAX_PACKET)} bytes"),
        ("piece of a frame, at most", f"{_number(packet.MAX_VIDEO_PAYLOAD)} bytes"),
        ("plaintext of audio is padded to a multiple of", f"{packet.AUDIO_PADDING_STEP} bytes"),
        ("comfort packets of a stream come at most every", _seconds(packet.COMFORT_INTERVAL)),
        ("packets that a copy reaches back", _number(copies.MAX_COPY_DISTANCE)),
        ("packets before a talker was forwarded that may follow at once", _seconds(preroll.PREROLL)),
        ("without the voice flag, loud is", f"\N{MINUS SIGN}{packet.SPEECH_LEVEL} dBov"),
        ("sequence numbers in which a packet is forwarded once", _number(replay.SEQUENCE_WINDOW)),
        (
            "a receiver asks for a keyframe at most every; at least every, after keyframes in vain",
            f"{_seconds(low)}; {_seconds(packet.MAX_KEYFRAME_REQUEST_INTERVAL)}",
        ),
        ("requests reach the publisher at most every, lowest layer; others", f"{_seconds(low)}; {_seconds(high)}"),
        ("a receiver collects the pieces of a frame for", _seconds(assembly.PATIENCE)),
    ]


def _keys() -> list[_Row]:
    starts = ", ".join(_number(start) for start in beacon.BEACON_STARTS)
    return [
        (
            "generations of a sender key; a new key is planned at",
            f"0 to {sender_key.MAX_GENERATION}; {own_key.WORN_GENERATION}",
        ),
        ("a generation is left after", _seconds(sender_key.RATCHET_PERIOD)),
        (
            "new keys after leaves, at most every; after kicks",
            f"{_seconds(own_key.LEAVE_SPACING)}; {_seconds(own_key.KICK_SPACING)}",
        ),
        ("a new key is used without all receipts after", _seconds(own_key.ACTIVATION)),
        ("a receiver keeps a key or a generation that was replaced for", _seconds(keyring.SENDER_KEY_OVERLAP)),
        ("a receiver keeps sender keys of one member", _number(keyring.MAX_KEYS)),
        ("a receiver tries generations ahead of the newest", _number(keyring.MAX_SKIPPED_GENERATIONS)),
        ("window of sequence numbers under a key", _number(replay.SEQUENCE_WINDOW)),
        ("layers of publications that a receiver tracks under one key", _number(keyring.MAX_LAYERS)),
        ("layers after which a sender plans a new key", _number(own_key.MAX_ANNOUNCED)),
        ("first sequence numbers in a key box", _number(sender_key.MAX_FIRST_SEQUENCES)),
        ("sealed text is padded to a multiple of", f"{text.TEXT_PADDING_STEP} bytes"),
        (
            "beacons of a member, every; at most every",
            f"{_seconds(beacon.BEACON_INTERVAL)}; {_seconds(beacon.BEACON_SPACING)}",
        ),
        ("beacons of a room in a second", _number(beacon.ROOM_BEACONS)),
        ("beacons after the path is proved, or a stream began", f"{starts} s"),
        ("a member is silent after", f"{beacon.SILENT_INTERVALS} intervals"),
        ("clock mappings of a beacon", _number(beacon.MAX_CLOCKS)),
    ]


_TOPICS = {
    "Control channel": _control,
    "Names and passwords": _names,
    "Room": _room,
    "Media path": _media,
    "Stream path": _stream,
    "Packets": _packets,
    "End-to-end keys, texts, beacons": _keys,
}


def _caps(bitrate: int, packets: int) -> str:
    return f"{_number(bitrate // 1000)} kbit/s, {_number(packets)} packets/s"


def _server() -> list[_Row]:
    default = _DEFAULT
    challenge, failed = default.challenge_delay, default.failed_login_delay
    seat_caps, pings, probes = media_seat.SEAT_CAPS, media_seat.ANSWERED_PINGS, media_seat.BANDWIDTH_PROBES
    asked, urgently = repeats.ASKED.packets_per_second, media_seat.URGENT
    return [
        (
            "handshake; login after it",
            f"{_seconds(default.login.time_limit_s)}; {_seconds(default.login.time_limit_s)}",
        ),
        (
            "the same where places are short: handshake; account; proof",
            "; ".join(map(_seconds, half_open.PATIENCE.values())),
        ),
        ("bytes of a connection before its login, in all", _number(MAX_BYTES_BEFORE_LOGIN)),
        ("failed logins of a connection", _number(default.login.attempts)),
        (
            "wait after failed logins of an account from a network: first; longest",
            f"{_seconds(default.login.back_off_s)}; {_seconds(back_off.LONGEST_WAIT)}",
        ),
        (
            "answers to `login_begin`, to failed logins: at the earliest; grid",
            f"{_seconds(challenge)}, {_seconds(failed)}; {_seconds(authenticator.ANSWER_GRID)}",
        ),
        (
            "wait that is told at a login or a join, at most; a turn is kept for",
            f"{_seconds(admission.MAX_WAIT)}; {_seconds(admission.GRACE)} and half of the wait",
        ),
        ("probe ticket", f"{_seconds(authenticator.TICKET_LIFETIME)}, {authenticator.TICKET_DATAGRAMS} datagrams"),
        ("a seat is kept after its connection was lost for", _seconds(default.limits.resume_s)),
        ("a temporary room ends without members after", _seconds(default.rooms.empty_close_s)),
        (
            "a kick keeps away for; devices until it is the account",
            f"{_seconds(default.rooms.kick_s)}; {kicks.KICKED_DEVICES}",
        ),
        ("participants of a room", _number(default.rooms.max_participants)),
        ("publications of a participant", _number(default.limits.max_publications)),
        *(
            (f"caps of a {source}", _caps(caps.bitrate, caps.packets_per_second))
            for source, caps in default.caps.items()
        ),
        ("caps of the beacons of a seat", _caps(default.beacon_caps.bitrate, default.beacon_caps.packets_per_second)),
        (
            "what a seat may send beside the caps of what it publishes",
            _caps(seat_caps.bitrate, seat_caps.packets_per_second),
        ),
        ("packets that a receiver may ask for again, per second; at once", "; ".join(2 * [_number(asked)])),
        ("what a receiver is sent again, at most", f"{_number(repeats.REPEATED.bitrate // 1000)} kbit/s"),
        (
            "bandwidth probes that a seat is sent; at once",
            f"{_caps(probes.bitrate, probes.packets_per_second)}; those of a second",
        ),
        ("pings of a seat that are answered; at once", f"{pings.packets_per_second} per second; as many more"),
        (
            "urgent messages of a seat, and as many that it is sent; at once",
            f"{_caps(urgently.bitrate, urgently.packets_per_second)}; those of a second",
        ),
        (
            "key boxes and receipts of a member that are passed on to another one; by datagrams",
            f"{seat.MAX_KEYS_PASSED}, {seat.MAX_URGENT_PASSED} in {_seconds(passing.WINDOW)}",
        ),
        ("bytes of a text that count as one message", _number(chat.PAGE_BYTES)),
        ("talkers that are forwarded in a room of more than eight", _number(default.rooms.loudest)),
    ]


def _rates() -> str:
    messages: dict[str, list[str]] = {name: [] for name in _DEFAULT.message_rates}
    for message, command in COMMANDS.items():
        if command.rate is not None:
            messages[command.rate].append(f"`{row_of(message).name}`")
    rows = [
        f"| `{name}` | {_number(round(rate.per_second * 60))} | {rate.burst} | {', '.join(messages[name])} |"
        for name, rate in _DEFAULT.message_rates.items()
    ]
    total = _DEFAULT.total_rate
    rows.append(f"| all | {_number(round(total.per_second * 60))} | {_number(total.burst)} | every message |")
    return "\n".join(["| class | per minute | at once | messages |", "|---|---|---|---|", *rows])


def _table(rows: list[_Row]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def tables() -> dict[str, str]:
    """Return all tables of this module by name."""
    topics = "\n\n".join(f"#### {topic}\n\n{_table(make())}" for topic, make in _TOPICS.items())
    return {"limits": topics, "server limits": _table(_server()), "rates": _rates()}


def main() -> None:
    """Write the tables into the document."""
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), tables()), encoding="utf-8")


if __name__ == "__main__":
    main()
