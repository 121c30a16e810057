"""The file of known devices, and the comparison of participants with it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient import events as told
from tcclient.core.membership.pins import MAX_DEVICES, DevicePin
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.participant import Participant
from tcclient.trust import known_devices
from tcclient.trust.device_watch import DeviceWatch
from tcclient.trust.known_devices import KNOWN_DEVICES_FILE, KnownDevices
from tcclient.trust.trust_file import TrustFileError
from tcproto.identity import format_fingerprint
from tcproto.messages import Member, Role

SERVER, ELSEWHERE = bytes(20), bytes(range(20))
DAY = date(2030, 1, 2)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_is_added_is_known_on_that_server_only(tmp_path: Path) -> None:
    book = KnownDevices(tmp_path / "made")
    book.add(SERVER, [DevicePin("dinkes", key(1)), DevicePin("дума", key(2))], DAY)
    book.add(SERVER, [DevicePin("dinkes", key(3)), DevicePin("dinkes", key(1))], DAY)
    again = KnownDevices(tmp_path / "made")
    assert again.devices(SERVER) == {"dinkes": [key(1), key(3)], "дума": [key(2)]}
    assert again.devices(ELSEWHERE) == {}
    assert again.faults == []
    text = again.path.read_text()
    assert text.splitlines()[0] == f"{format_fingerprint(SERVER)} dinkes {key(1).hex()} 2030-01-02"
    assert again.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("account", ["a b", "a\nb", "#a", "%20", "a\u2028b", "a\x00b", "", " ", "\u202e", "क्षेत्र"])
def test_an_account_as_a_hostile_server_names_it_is_one_word(tmp_path: Path, account: str) -> None:
    book = KnownDevices(tmp_path)
    book.add(SERVER, [DevicePin("before", key(1)), DevicePin(account, key(2)), DevicePin("after", key(3))], DAY)
    again = KnownDevices(tmp_path)
    assert len(again.path.read_text().splitlines()) == 3
    assert again.devices(SERVER) == {"before": [key(1)], account: [key(2)], "after": [key(3)]}
    assert again.faults == []


ACCOUNTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=32)
PINS = st.lists(st.builds(DevicePin, ACCOUNTS, st.integers(0, 3).map(key)), max_size=12, unique=True)


@given(PINS, st.lists(st.binary(max_size=80), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_account_comes_back_as_it_was_and_any_other_line_stays(pins: list[DevicePin], lines: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / KNOWN_DEVICES_FILE
        there = b"\n".join(lines).splitlines()
        path.write_bytes(b"".join(line + b"\n" for line in there))
        path.chmod(0o600)
        KnownDevices(path.parent).add(ELSEWHERE, pins, DAY)
        again = KnownDevices(path.parent)
        expected: dict[str, list[bytes]] = {}
        for account, device_key in pins:
            expected.setdefault(account, []).append(device_key)
        assert again.devices(ELSEWHERE) == expected
        assert path.read_bytes().splitlines()[: len(there)] == there
        assert len(again.faults) <= 1


def test_a_thousand_devices_of_one_account_are_written_in_one_look_at_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = KnownDevices(tmp_path)
    book.add(SERVER, [DevicePin(f"a{n}", key(n)) for n in range(500)], DAY)
    looked: list[bytes] = []
    read = known_devices._read
    monkeypatch.setattr(known_devices, "_read", lambda line: (looked.append(line), read(line))[1])
    book.add(SERVER, [DevicePin("z", key(n)) for n in range(1000)], DAY)
    assert len(looked) == 500
    assert KnownDevices(tmp_path).devices(SERVER)["z"] == [key(n) for n in range(1000 - MAX_DEVICES, 1000)]


def test_clients_do_not_lose_each_others_devices(tmp_path: Path) -> None:
    one, two = KnownDevices(tmp_path), KnownDevices(tmp_path)
    one.add(SERVER, [DevicePin("a", key(1))], DAY)
    two.add(SERVER, [DevicePin("b", key(2))], DAY)
    assert KnownDevices(tmp_path).devices(SERVER) == {"a": [key(1)], "b": [key(2)]}


def test_a_damaged_line_is_told_and_kept_and_its_account_is_no_first_acquaintance(tmp_path: Path) -> None:
    fingerprint = format_fingerprint(SERVER)
    damaged = [f"{fingerprint} dinkes {key(1).hex()[:-1]}".encode(), b"\xff\xfe", b"nonsense", fingerprint.encode()]
    path = tmp_path / KNOWN_DEVICES_FILE
    path.touch(0o600)
    path.write_bytes(b"# of this machine\n" + b"\n".join(damaged) + b"\n")
    book = KnownDevices(tmp_path)
    (fault,) = book.faults
    assert "line 2, 3, 4, 5;" in fault
    assert book.devices(SERVER) == {"dinkes": []}
    book.add(SERVER, [DevicePin("dinkes", key(2))], DAY)
    assert set(damaged) < set(path.read_bytes().splitlines())


def test_the_first_device_of_an_account_with_too_many_goes(tmp_path: Path) -> None:
    book = KnownDevices(tmp_path)
    book.add(SERVER, [DevicePin("other", key(0))], DAY)
    for number in range(MAX_DEVICES + 2):
        book.add(SERVER, [DevicePin("dinkes", key(number))], DAY)
    known = KnownDevices(tmp_path).devices(SERVER)
    assert known["other"] == [key(0)]
    assert known["dinkes"] == [key(number) for number in range(2, MAX_DEVICES + 2)]


def test_a_full_file_is_told_and_forgets_nothing(tmp_path: Path) -> None:
    book = KnownDevices(tmp_path, most=2)
    with pytest.raises(TrustFileError, match="full with 2 devices"):
        book.add(SERVER, [DevicePin(name, key(1)) for name in "abc"], DAY)
    assert KnownDevices(tmp_path).devices(SERVER) == {"a": [key(1)], "b": [key(1)]}


def test_devices_of_a_server_are_forgotten(tmp_path: Path) -> None:
    book = KnownDevices(tmp_path)
    book.add(SERVER, [DevicePin("a", key(1)), DevicePin("b", key(1))], DAY)
    book.add(ELSEWHERE, [DevicePin("a", key(1))], DAY)
    assert book.forget(SERVER) == 2
    assert KnownDevices(tmp_path).devices(SERVER) == {}
    assert KnownDevices(tmp_path).devices(ELSEWHERE) == {"a": [key(1)]}


async def unasked(request: object) -> None:
    raise AssertionError(request)


def participant(account: str, device: int, *, verified: bool = True) -> Participant:
    member = Member(
        participant=1,
        account=account,
        agency=account,
        name="Sri",
        role=Role.SPEAKER,
        permissions=0,
        device_key=key(device),
        box_key=bytes(32),
        signed_at=0,
        signature=bytes(64),
        beacon_stream=1,
    )
    return Participant(RosterEntry(member, verified), unasked)


def watched(directory: Path, *seen: Participant) -> list[told.Event]:
    """Return what one session of a client reports when it sees these devices."""
    events: list[told.Event] = []

    async def session() -> None:
        with ThreadPoolExecutor(1) as pool:
            watch = DeviceWatch(KnownDevices(directory), pool, events.append)
            for who in seen:
                watch.look(who, SERVER)
            await watch.save()

    asyncio.run(session())
    return events


def test_first_use_is_silent_and_a_new_device_is_told_once(tmp_path: Path) -> None:
    assert watched(tmp_path, participant("dinkes", 1)) == []
    assert watched(tmp_path, participant("dinkes", 1), participant("other", 7)) == []
    new = participant("dinkes", 2)
    assert watched(tmp_path, new, participant("dinkes", 2)) == [told.NewDevice(new)]
    assert watched(tmp_path, participant("dinkes", 2), participant("dinkes", 1)) == []


def test_who_is_not_verified_is_neither_remembered_nor_told(tmp_path: Path) -> None:
    assert watched(tmp_path, participant("dinkes", 1, verified=False)) == []
    assert watched(tmp_path, participant("dinkes", 2)) == []
    assert watched(tmp_path, participant("dinkes", 1, verified=False)) == []
    assert KnownDevices(tmp_path).devices(SERVER) == {"dinkes": [key(2)]}


def test_a_file_that_cannot_be_written_is_told_once_and_the_room_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tcclient.trust.trust_file.publish", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only"))
    )
    events: list[told.Event] = []

    async def session() -> None:
        with ThreadPoolExecutor(1) as pool:
            watch = DeviceWatch(KnownDevices(tmp_path), pool, events.append)
            for number in range(3):
                watch.look(participant(f"a{number}", number), SERVER)
                await watch.save()

    asyncio.run(session())
    (fault,) = events
    assert isinstance(fault, told.TrustFault)
    assert "Read-only" in fault.text
