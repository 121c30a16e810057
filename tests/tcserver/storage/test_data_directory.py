from pathlib import Path

import pytest

from tcserver.config.configuration import Sources
from tcserver.config.sections import Configuration
from tcserver.records import StoreError
from tcserver.storage.data_directory import DataDirectory


def test_the_configuration_or_the_environment_names_the_directory(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path)}
    assert DataDirectory.of(Configuration(), environment).path == tmp_path / "tcserver"
    assert DataDirectory.of(Sources(flags={"server.data": "/srv/tc"}).load(), environment).path == Path("/srv/tc")
    assert DataDirectory.of(Sources(flags={"server.data": "~/tc"}).load(), environment).path == Path.home() / "tc"


def test_a_data_directory_is_made_by_the_first_that_needs_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    with pytest.raises(StoreError, match="no database"):
        directory.existing_database()
    directory.make()
    assert not directory.exists()
    identity, made = directory.open_identity()
    assert made
    assert directory.identity() == identity
    directory.database().close()
    directory.existing_database().close()


def test_an_identity_that_is_lost_is_not_made_by_itself(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    with pytest.raises(StoreError, match="no database"):
        directory.replace_lost_identity()
    lost, _ = directory.open_identity()
    directory.database().close()
    with pytest.raises(StoreError, match=r"identity\.key is there"):
        directory.replace_lost_identity()
    (tmp_path / "identity.key").unlink()
    for use in (directory.open_identity, directory.identity):
        with pytest.raises(StoreError, match=r"no identity\.key: .* tcserver new-identity"):
            use()
    assert not directory.has_identity()
    with directory.lock(), pytest.raises(StoreError, match="another tcserver"):
        directory.replace_lost_identity()
    assert directory.replace_lost_identity() == directory.identity() != lost


def test_one_server_runs_on_a_data_directory(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    with directory.lock(), pytest.raises(StoreError, match="another tcserver"), directory.lock():
        pass
