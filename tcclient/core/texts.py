"""Texts of a seat, our own and those of others, sealed if the room is end-to-end encrypted."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from tcclient.core.drops import Drop
from tcclient.core.events import ChatReceived, Event, TextMissing
from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.keys.own_key import SenderKeys
from tcclient.core.membership.roster import MAX_MEMBERS, RoomState
from tcclient.core.timers import NEVER, Timers
from tcproto.errors import CryptoFailure, ErrorCode, Refusal
from tcproto.keyring import KeyRing
from tcproto.membership import room_hash
from tcproto.messages import Chat, ChatMessage, ChatScope, Limits
from tcproto.messages.types import MESSAGE_ID_SIZE
from tcproto.secretbox import NONCE_SIZE
from tcproto.sender_key import Party
from tcproto.text import (
    MAX_TEXT_SEQUENCE,
    Note,
    TextContext,
    TextHeader,
    check_text,
    open_private_text,
    parse_text_header,
    seal_private_text,
    seal_room_text,
    text_key,
)

TEXT_HOLD = 5.0
"""Seconds for which a text waits for its sender or its key: a snapshot may have to be asked for, as for key boxes."""
MAX_HELD_TEXTS = 64
"""Texts that wait, half a megabyte at most; the oldest go first."""
MAX_SHOWN_TEXTS = 1024
"""Texts remembered, so that one sent again is not shown again: hours of a lively meeting."""
MAX_COUNTED = 4 * MAX_MEMBERS
"""Sequences of other seats that are followed, two for each box key. Beyond the bound those of members that have left
are forgotten."""


class ShownTexts:
    """The texts that were shown, by sender and message id. It outlives a seat."""

    def __init__(self) -> None:
        self._shown: OrderedDict[tuple[bytes, bytes], None] = OrderedDict()

    def is_new(self, sender: bytes, message_id: bytes) -> bool:
        """Return whether it was not shown before, and remember it. The oldest is forgotten."""
        if (sender, message_id) in self._shown:
            return False
        self._shown[sender, message_id] = None
        if len(self._shown) > MAX_SHOWN_TEXTS:
            self._shown.popitem(last=False)
        return True


class _Line:
    """Our texts to the room, or to one recipient."""

    def __init__(self) -> None:
        self._sequence = 0
        self._standing = 0

    def next(self) -> tuple[int, int]:
        """Return a new sequence number, and that of the text before it which was not refused."""
        if self._sequence >= MAX_TEXT_SEQUENCE:
            raise Refusal(ErrorCode.INTERNAL, "the seat has used up its sequence numbers")
        previous, self._sequence = self._standing, self._sequence + 1
        self._standing = self._sequence
        return self._sequence, previous

    def refused(self, sequence: int, previous: int) -> None:
        """Note that nobody got a text. If another one was sent meanwhile, its number has shown the gap already."""
        if self._standing == sequence:
            self._standing = previous


class _Sent(NamedTuple):
    line: _Line
    sequence: int
    previous: int


class Texts:
    """Makes texts to send, and takes texts of others. Those to be shown go to ``emit``.

    ``own`` are our device and box key, ``member_keys`` those of the other verified members. The owner keeps them up to
    date, and calls ``retry`` after it changed them and after key boxes.
    """

    def __init__(
        self,
        room: RoomState,
        own: Party,
        member_keys: Mapping[int, MemberKeys],
        keys: SenderKeys,
        shown: ShownTexts,
        limits: Limits,
        random_bytes: Callable[[int], bytes],
        emit: Callable[[Event], None],
        drops: Counter[Drop],
        timers: Timers,
    ) -> None:
        self._room = room
        self._own = own
        self._member_keys = member_keys
        self._keys = keys
        self._shown = shown
        self._limits = limits
        self._random_bytes = random_bytes
        self._emit = emit
        self._drops = drops
        self._timers = timers
        self._room_hash = room_hash(room.room.name)
        self._to_room = _Line()
        self._to_one: dict[bytes, _Line] = {}
        """By the recipient's box key."""
        self._unanswered: dict[bytes, _Sent] = {}
        """By message id; as many as requests may wait for a reply."""
        self._newest: dict[tuple[bytes, bool], int] = {}
        """Highest sequence number that opened, by box key of the sender and whether the text was private.

        Kept when the sender leaves, against replays.
        """
        self._held: deque[tuple[float, ChatMessage]] = deque()

    # What we write

    def check(self, text: str) -> None:
        """Raise ``ValueError`` for a text beyond the server's limits or with control characters."""
        check_text(text)
        limits = self._limits
        if len(text) > limits.text_chars or len(text.encode()) > limits.text_bytes:
            raise ValueError(f"a text has at most {limits.text_chars} characters and {limits.text_bytes} bytes")

    def compose(self, text: str, scope: ChatScope, participant: int, unix_ms: int, now: float) -> Chat:
        """Return the request for a text. The key boxes that collect meanwhile must be sent before it.

        ``unix_ms`` is the wall clock; ``text`` has passed ``check``. Raises ``Refusal`` for a private text to a
        participant that is not there or not verified.
        """
        message_id = self._random_bytes(MESSAGE_ID_SIZE)
        if scope is ChatScope.SERVER or not self._room.room.e2ee:
            return Chat(message_id, scope, text, participant)
        if scope is ChatScope.PARTICIPANT:
            member, shared = self._recipient(participant)
            line = self._to_one.setdefault(member.party.box_key, _Line())
            sequence, previous = line.next()
            note = Note(message_id, previous, unix_ms, text)
            nonce = self._random_bytes(NONCE_SIZE)
            sealed = seal_private_text(self._context(self._own, member.party), sequence, note, shared, nonce)
        else:
            line, key = self._to_room, self._keys.for_text(now)
            sequence, previous = line.next()
            note = Note(message_id, previous, unix_ms, text)
            header = TextHeader(key.number, key.generation, sequence)
            sealed = seal_room_text(header, note, text_key(key, self._room.room.life, self._own))
        self._unanswered[message_id] = _Sent(line, sequence, previous)
        return Chat(message_id, scope, "", participant, sealed)

    def answered(self, message_id: bytes, *, accepted: bool) -> None:
        """Take the reply to a text."""
        sent = self._unanswered.pop(message_id, None)
        if sent is not None and not accepted:
            sent.line.refused(sent.sequence, sent.previous)

    def _recipient(self, participant: int) -> tuple[MemberKeys, bytes]:
        """Return the recipient of a private text, and the shared key of the pair."""
        member = self._member_keys.get(participant)
        if member is not None:
            with suppress(CryptoFailure):
                return member, member.shared()
        elif participant == self._room.own:
            raise Refusal(ErrorCode.BAD_REQUEST, "a text to oneself")
        elif participant not in self._room.members:
            raise Refusal(ErrorCode.NO_SUCH_PARTICIPANT)
        raise Refusal(ErrorCode.NOT_PERMITTED, "the recipient is not verified, so nothing can be sealed for it")

    # What comes

    def receive(self, message: ChatMessage, now: float) -> None:
        """Take a text: show it, let it wait for its sender or its key, or drop and count it."""
        if message.scope is ChatScope.SERVER:
            self._emit(notice(message))
        elif self._room.room.e2ee:
            if not self._open(message, now):
                self._hold(message, now)
        elif message.sealed or message.scope is ChatScope.UNKNOWN:
            self._drops[Drop.TEXT] += 1
        elif self._shown.is_new(message.participant.to_bytes(4, "big"), message.message_id):
            self._emit(_received(message, message.name, message.text, message.sent_at))

    def retry(self, now: float) -> None:
        """Look again at the texts that wait."""
        held, self._held = self._held, deque()
        for came_at, message in held:
            if self._open(message, now):
                continue
            if now < came_at + TEXT_HOLD:
                self._held.append((came_at, message))
            else:
                self._drops[Drop.NO_KEY] += 1
        self._set_deadline()

    def _hold(self, message: ChatMessage, now: float) -> None:
        self._held.append((now, message))
        if len(self._held) > MAX_HELD_TEXTS:
            self._held.popleft()
            self._drops[Drop.NO_KEY] += 1
        self._set_deadline()

    def _set_deadline(self) -> None:
        due = self._held[0][0] + TEXT_HOLD if self._held else NEVER
        self._timers.set("texts", due, self.retry)

    def _open(self, message: ChatMessage, now: float) -> bool:
        """Open a text and show it, or drop it; False where its sender or its key may still come."""
        member = self._member_keys.get(message.participant)
        if message.text or not message.sealed:
            self._drops[Drop.PLAIN_TEXT] += 1
        elif message.scope is ChatScope.UNKNOWN:
            self._drops[Drop.TEXT] += 1
        elif message.participant == self._room.own:
            self._drops[Drop.OWN] += 1
        elif member is None:
            if message.participant not in self._room.members:
                return False
            self._drops[Drop.UNVERIFIED] += 1
        else:
            try:
                return self._open_from(member, message, now)
            except CryptoFailure:
                self._drops[Drop.TEXT] += 1
        return True

    def _open_from(self, member: MemberKeys, message: ChatMessage, now: float) -> bool:
        """Raises ``CryptoFailure`` for what is not new or does not open."""
        is_private = message.scope is ChatScope.PARTICIPANT
        if is_private:
            context = self._context(member.party, self._own)
            sequence, note = open_private_text(context, message.sealed, member.shared())
        else:
            header = parse_text_header(message.sealed)
            sequence = header.sequence
            assert isinstance(member.ring, KeyRing)
            if header.number > member.ring.text_number:
                return False
            note = member.ring.open_text(header, message.sealed, member.party, now)
        if note.message_id != message.message_id:
            raise CryptoFailure("the message id is another one")
        self._count(member, is_private, sequence, note.previous)
        if self._shown.is_new(member.party.device_key, note.message_id):
            label = self._room.members[member.id].label
            self._emit(_received(message, label, note.text, note.written_at, sealed=True))
        return True

    def _count(self, member: MemberKeys, is_private: bool, sequence: int, previous: int) -> None:
        """Commit a sequence number that opened, and report a gap before it. Raises ``CryptoFailure`` for an old one.

        A newcomer begins with the first text to the room that it sees; private texts begin with the pair.
        """
        sender = (member.party.box_key, is_private)
        newest = self._newest.get(sender, 0)
        if sequence <= newest:
            raise CryptoFailure("the text is not new")
        if previous > newest and (newest or is_private):
            self._emit(TextMissing(member.id))
        if sender not in self._newest and len(self._newest) >= MAX_COUNTED:
            present = {member.party.box_key for member in self._member_keys.values()}
            del self._newest[next(sender for sender in self._newest if sender[0] not in present)]
        self._newest[sender] = sequence

    def _context(self, sender: Party, recipient: Party) -> TextContext:
        return TextContext(self._room.room.life, self._room_hash, sender, recipient)


def notice(message: ChatMessage) -> ChatReceived[int]:
    """Return an operator's notice as an event. It has no participant: only the server says who wrote it."""
    return ChatReceived(0, message.name, message.text, ChatScope.SERVER, message.sent_at, message.message_id)


def _received(message: ChatMessage, name: str, text: str, at: int, *, sealed: bool = False) -> ChatReceived[int]:
    return ChatReceived(message.participant, name, text, message.scope, at, message.message_id, sealed)
