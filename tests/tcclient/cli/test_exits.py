import pytest

from tcclient import errors
from tcclient.cli.exits import status_of, status_of_end
from tcproto.errors import Action, ErrorCode


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


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.DishonestServer("it lies", ErrorCode.UNEXPECTED_MESSAGE, Action.STOP), 4),
        (errors.UntrustedServer("host", bytes(20)), 4),
        (errors.RoomClosed("out", ErrorCode.KICKED), 6),
        (errors.LoginRefused("no", ErrorCode.BAD_CREDENTIALS), 5),
        (errors.WrongValue("no room"), 2),
        (errors.MediaFileError("damaged"), 2),
        (errors.RecordingError("full"), 1),
        (errors.ConnectError("nobody"), 1),
        (errors.RequestRefused("no"), 3),
        (OSError("disk"), 1),
        (KeyError("a fault of ours"), 0),
    ],
)
def test_the_status_of_an_error(error: Exception, status: int) -> None:
    assert status_of(error) == status
