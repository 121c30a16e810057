"""The page reads and writes each control message as tcproto does, and refuses what tcproto refuses."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

from tcproto.codec import encode_fields
from tcproto.errors import ProtocolError
from tcproto.messages import ROWS, Unknown, decode, encode
from tests.support.message_values import largest, smallest
from tests.support.mutations import truncations
from tests.support.page_program import bundled

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**48, 2**53 + 1, 2**63, 2**64 - 1, 1.0),
    *(
        "",
        "a",
        "a\n",
        "a\t",
        "\u2028",
        "\x7f",
        "a" * 33,
        "ä" * 65,
        "🙂" * 64,
        "🙂" * 65,
        "a" * 2001,
        "speaker",
        "kicked",
    ),
    *(b"", bytes(16), bytes(32), bytes(64), bytes(513), bytes(8298)),
    *([], [1], ["camera"] * 9, [None], {}, {"a": 1}),
)
"""Values that some fields take and others do not."""


def messages() -> Iterator[bytes]:
    """Messages of each type: the smallest, the largest, and those in which one field has an odd value or is absent."""
    for name, row in ROWS.items():
        envelope = {"t": name, "id": 7} if row.reply or row.answer else {"t": name}
        small, large = ({**envelope, **encode_fields(extreme(row.message))} for extreme in (smallest, largest))
        yield from (msgpack.packb(small), msgpack.packb(large))
        for field in large:
            yield msgpack.packb({key: value for key, value in small.items() if key != field})
            yield from (msgpack.packb({**small, field: odd}) for odd in ODD)
    yield from truncations(encode(largest(ROWS["publish"].message), 3))


def echoed(data: bytes) -> str:
    """What tcproto makes of a message."""
    try:
        message, request_id = decode(data)
    except ProtocolError as error:
        return error.code
    return "unknown" if isinstance(message, Unknown) else encode(message, request_id).hex()


def test_the_page_and_tcproto_agree_on_messages(node_modules: Path, tmp_path: Path) -> None:
    cases = list(messages())
    program = bundled("echo", tmp_path)
    lines = "".join(f"{data.hex()}\n" for data in cases)
    done = subprocess.run(["node", program], input=lines, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert len(found) == len(cases)
    wrong = [(data, page) for data, page in zip(cases, found, strict=True) if page != echoed(data)]
    assert not wrong, [(msgpack.unpackb(data, strict_map_key=False), page) for data, page in wrong[:5]]
    assert {"bad_message", "unknown"} < set(found)
