import pytest

from tcclient.cli.exits import status_of_end
from tcproto.errors import ErrorCode


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (None, 1),
        (ErrorCode.IDLE_TIMEOUT, 1),
        (ErrorCode.BAD_CREDENTIALS, 5),
        (ErrorCode.KICKED, 6),
        (ErrorCode.ROOM_CLOSED, 7),
        (ErrorCode.SHUTDOWN, 3),
        (ErrorCode.ROOM_FULL, 3),
        (ErrorCode.BANNED, 3),
    ],
)
def test_the_status_of_an_end(code: ErrorCode | None, status: int) -> None:
    assert status_of_end(code) == status
