"""What is found of a data directory that is another user's. The rest: tests/tcserver/cli/test_check.py."""

from __future__ import annotations

from tcserver.config.configuration import Sources
from tcserver.daemon.machine import Finding, look_at_machine
from tcserver.storage.data_directory import DataDirectory
from tests.support.permissions import closed_folder


def test_a_data_directory_of_another_user_stops_a_server() -> None:
    with closed_folder() as folder:
        configuration = Sources().load()
        for path, text in (
            (folder, f"{folder} is not this user's"),
            (folder / "a" / "b", f"{folder / 'a' / 'b'} cannot be made: {folder} is not this user's"),
        ):
            first = next(look_at_machine(configuration, DataDirectory(path)))
            assert first == Finding("data directory", text, True)
