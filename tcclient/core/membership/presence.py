"""Who is present according to the devices themselves: our beacons to the others, and theirs to us."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core import events
from tcclient.core.events import Event
from tcclient.core.keys.member_keys import MemberKeys
from tcclient.core.keys.own_key import SenderKeys
from tcclient.core.media.publications import Publications
from tcclient.core.membership.beacons import BeaconSchedule
from tcclient.core.membership.roster import RoomState
from tcclient.core.membership.silence import Silence
from tcclient.core.path.egress import Egress
from tcclient.core.path.proof import PathState
from tcproto.beacon import Beacon, BeaconContext, sign_beacon
from tcproto.identity import SigningKey
from tcproto.serial import clock_us


class Presence:
    """Sends the beacons of our seat, checks those of the others, and withholds our keys from members that send none.

    ``recipients`` are the members that get the keys of ``keys``: all but the silent ones. ``stream`` is that of our
    beacons, ``box_key`` the public one of our seat, which ``device`` signs for.
    """

    def __init__(
        self,
        stream: int,
        box_key: bytes,
        device: SigningKey,
        room: RoomState,
        recipients: dict[int, MemberKeys],
        keys: SenderKeys,
        publications: Publications,
        egress: Egress,
        emit: Callable[[Event], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.schedule = BeaconSchedule(random_bytes)
        self._stream = stream
        self._box_key = box_key
        self._device = device
        self._room = room
        self._recipients = recipients
        self._keys = keys
        self._publications = publications
        self._egress = egress
        self._emit = emit
        self._silence = Silence()

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due."""
        return min(self.schedule.next_deadline, self._silence.next_deadline)

    def path_changed(self, state: PathState, now: float) -> None:
        """Expect beacons of others while the path is proved.

        Begin to send ours when it is proved, or when it takes too long to prove it, and do not stop after that. A
        beacon that is sent while the path is lost may still arrive, and a member that sends no beacons gets no keys.
        """
        self._silence.path(state is PathState.OK, now)
        if state is not PathState.UNKNOWN and not self.schedule.is_running:
            self.schedule.begin(now)
        elif state is PathState.OK:
            self.schedule.answer(now)

    def came(self, member: MemberKeys, now: float) -> None:
        """Take in a verified member: it gets our keys, and soon a beacon."""
        self._recipients[member.id] = member
        self._keys.joined(member.id, now)
        self._silence.came(member.id, now)
        self.schedule.answer(now)

    def left(self, participant: int, kicked: bool, now: float) -> None:
        """Let go of a verified member that has left, or is not verified any more."""
        self._silence.left(participant)
        if self._recipients.pop(participant, None) is not None:
            self._keys.left(participant, kicked, now)

    def receive(self, member: MemberKeys, beacon: Beacon, first: bool, now: float) -> None:
        """Take a beacon of a member; ``first`` says that it is its first one."""
        streams = {stream for stream, entry in self._room.streams.items() if entry.participant == member.id}
        differed = member.claims.mismatch
        member.claims.receive(beacon, streams, self._room.member_set_hash(), now)
        was_silent = self._silence.heard(member.id, now)
        if was_silent:
            self._recipients[member.id] = member
            self._keys.joined(member.id, now)
            self._emit(events.MemberHeard(member.id))
        if first or was_silent:
            self.schedule.answer(now)
        if member.claims.mismatch is not differed:
            self._emit(events.MembershipAgreed(member.id) if differed else events.MembershipMismatch(member.id))
        self.compare(member, now)

    def compare(self, member: MemberKeys, now: float) -> None:
        """Compare the member's newest beacon with its key, since one of the two is new, and report a difference."""
        if member.key_differs(now):
            self._emit(events.CommitmentMismatch(member.id))

    def handle_timeout(self, now: float) -> None:
        """Note which members have become silent, and send the beacon that is due.

        A member that becomes silent is treated like one that leaves: there is a new key, which cannot be derived from
        the old one.
        """
        for participant in self._silence.handle_timeout(len(self._room.members), now):
            del self._recipients[participant]
            self._keys.left(participant, False, now)
            self._emit(events.MemberSilent(participant))
        if now >= self.schedule.next_deadline:
            self._send(now)

    def _send(self, now: float) -> None:
        key = self._keys.current
        beacon = Beacon(self._room.member_set_hash(), clocks=self._publications.clocks())
        if key is not None:
            beacon = beacon._replace(key_number=key.number, generation=key.generation, commitment=key.commitment())
        packet = sign_beacon(
            beacon,
            self._stream,
            self.schedule.sequence,
            clock_us(now),
            BeaconContext(self._room.fingerprint, self._room.room.life, self._box_key),
            self._device,
        )
        self._egress.send_packet(packet)
        self.schedule.sent(key, now)
