"""Tests go through the public door: where they use private names, and why. ``.github/CONTRIBUTING.md`` has the rule."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent

PRIVATE: dict[str, dict[str, int]] = {
    "another library, which has no public name for it": {"tests/documents/test_commands.py": 4},
    "a client or a server that breaks the protocol, made of ours": {
        "tests/integration/test_limits.py": 2,
        "tests/scenarios/test_hostile_server.py": 8,
        "tests/scenarios/test_video.py": 1,
        "tests/tcclient/core/test_login.py": 3,
        "tests/tcclient/core/test_text_attacks.py": 3,
        "tests/tcserver/daemon/test_control_peer.py": 1,
        "tests/tcserver/web/test_stream_peer.py": 1,
    },
    "a fault from outside: a network, a disk, a descriptor, another thread, an error of ours": {
        "tests/integration/test_leaving.py": 1,
        "tests/integration/test_limits.py": 5,
        "tests/integration/test_retry.py": 1,
        "tests/tcclient/audio/test_opus.py": 2,
        "tests/tcclient/transport/test_connection.py": 5,
        "tests/tcserver/conference/test_crashes.py": 7,
        "tests/tcserver/daemon/test_control_peer.py": 1,
        "tests/tcserver/storage/test_database.py": 1,
        "tests/tcserver/web/test_stream_peer.py": 1,
    },
    "a table that has a limit, or forgets": {
        "tests/tcclient/core/downlink/test_data_meter.py": 1,
        "tests/tcclient/core/media/test_hop.py": 1,
        "tests/tcclient/core/media/test_publications.py": 1,
        "tests/tcclient/core/media/test_losses.py": 2,
        "tests/tcclient/core/test_refusals.py": 1,
        "tests/tcclient/core/test_texts.py": 2,
        "tests/tcclient/core/test_unanswered.py": 2,
        "tests/tcserver/conference/requests/test_chat.py": 1,
        "tests/tcserver/conference/room/test_keyframes.py": 1,
        "tests/tcserver/conference/test_states.py": 1,
        "tests/tcserver/daemon/test_control_peer.py": 1,
        "tests/tcserver/media/forwarding/test_redundancy.py": 1,
        "tests/tcserver/media/forwarding/test_resends.py": 4,
        "tests/tcserver/media/plane/test_repair.py": 2,
        "tests/tcserver/media/relay/test_relay.py": 5,
        "tests/tcserver/media/udp/test_sockets.py": 1,
        "tests/tcserver/web/test_connection.py": 3,
    },
    "a state or a number that many steps, or chance, would lead to": {
        "tests/scenarios/test_control_outage.py": 2,
        "tests/tcclient/core/keys/test_sender_keys.py": 2,
        "tests/tcclient/core/path/test_media_path.py": 1,
        "tests/tcclient/core/membership/test_beacons.py": 1,
        "tests/tcclient/core/rate/test_estimator.py": 1,
        "tests/tcclient/core/test_text_attacks.py": 2,
        "tests/tcclient/core/test_texts.py": 2,
        "tests/tcclient/trust/test_known_devices.py": 1,
        "tests/tcserver/conference/limits/test_budgets.py": 3,
        "tests/tcserver/conference/test_model.py": 1,
        "tests/tcserver/conference/test_states.py": 1,
        "tests/tcserver/media/speakers/test_local.py": 2,
        "tests/tcserver/media/udp/test_sockets.py": 2,
        "tests/tcserver/storage/test_database.py": 1,
    },
    "a shell without its sockets, timers or terminal": {
        "tests/integration/test_leaving.py": 1,
        "tests/integration/test_screens.py": 1,
        "tests/support/seated_room.py": 2,
        "tests/tcclient/cli/test_output.py": 1,
        "tests/tcclient/playout/test_listener.py": 3,
        "tests/tcclient/test_room.py": 3,
        "tests/tcclient/test_verbs.py": 1,
    },
    "work that is counted, since it must not be done too often": {
        "tests/tcclient/core/downlink/test_subscription.py": 1
    },
    "the inside of a running server or client, to compare it with what is seen outside": {
        "tests/integration/test_workers.py": 2,
        "tests/scenarios/test_spread.py": 1,
        "tests/scenarios/test_video.py": 1,
        "tests/support/conference/driver.py": 1,
        "tests/tcclient/transport/test_udp.py": 2,
    },
}
"""Uses of private names, by reason and file. A number may go down; one that has to go up needs its reason here."""
MOST_PATCHED = 55
"""Patches of constants: limits of real time, and limits that it would take seconds to fill."""

PUBLIC = {"_replace", "_asdict", "_fields", "_make"}
"""Names of ``NamedTuple`` that are public."""
PATCH = re.compile(r'\.setattr\([^\n]*?[".]_*[A-Z][A-Z_0-9]+"')


def files() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_names(source: str) -> list[str]:
    """Return the private names of others that a file uses."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found += [alias.name for alias in node.names if is_private(alias.name)]
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = node.value.func if isinstance(node.value, ast.Call) else node.value
            if not (isinstance(owner, ast.Name) and owner.id in ("self", "cls", "super")):
                found.append(node.attr)
    return found


def test_private_names_are_argued_for() -> None:
    allowed: Counter[str] = Counter()
    for places in PRIVATE.values():
        allowed.update(places)
    found = {path.relative_to(ROOT).as_posix(): private_names(path.read_text(encoding="utf-8")) for path in files()}
    assert {name: names for name, names in found.items() if len(names) > allowed[name]} == {}, "name the reason above"
    assert [name for name in allowed if not found.get(name)] == [], "nothing is left to argue for"


def test_constants_are_patched_no_more_than_they_were() -> None:
    patched = [(path.name, match) for path in files() for match in PATCH.findall(path.read_text(encoding="utf-8"))]
    assert len(patched) <= MOST_PATCHED, "pass the limit as an argument"


def test_private_names_and_patches_are_found() -> None:
    source = "from a import _b\nc._d.e\nself._f\nsuper()._g()\nh()._i\nj._replace(k=1)\nl.__m__\n"
    assert sorted(private_names(source)) == ["_b", "_d", "_i"]
    call = "monkeypatch.setattr({})"
    assert PATCH.findall(call.format('a, "MAX_B", 1'))
    assert PATCH.findall(call.format('"a.b.C_LIMIT", 1'))
    assert not PATCH.findall(call.format('a, "function", b'))
