import os
from pathlib import Path

import pytest

from tcclient.capture.pipe import Pipe
from tcclient.errors import MediaFileError


def test_a_pipe_that_nobody_feeds_is_told_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    pipe = Pipe(path, patience=0.05)
    with pytest.raises(MediaFileError, match="nothing came through this pipe"):
        pipe.read(10)
    pipe.close()
    pipe.close()


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    pipe = Pipe(path)
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"abc")
    assert pipe.read(2) == b"ab"
    os.close(writer)
    assert [pipe.read(9), pipe.read(9)] == [b"c", b""]
    pipe.close()


def test_a_pipe_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(MediaFileError, match="No such file"):
        Pipe(tmp_path / "none")
