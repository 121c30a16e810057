from pathlib import Path

import pytest

from tcserver.configuration import Configuration, Sources
from tcserver.records import StoreError
from tcserver.site import Site


def test_the_configuration_or_the_environment_names_the_directory(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path)}
    assert Site.of(Configuration(), environment).data == tmp_path / "tcserver"
    assert Site.of(Sources(flags={"server.data": "/srv/tc"}).load(), environment).data == Path("/srv/tc")
    assert Site.of(Sources(flags={"server.data": "~/tc"}).load(), environment).data == Path.home() / "tc"


def test_a_site_is_made_by_the_first_that_needs_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "data")
    with pytest.raises(StoreError, match="no database"):
        site.existing_database()
    site.make()
    assert not site.exists()
    site.database().close()
    site.existing_database().close()
    identity, made = site.open_identity()
    assert made
    assert site.identity() == identity


def test_one_server_runs_on_a_site(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.lock(), pytest.raises(StoreError, match="another tcserver"), site.lock():
        pass
