from pathlib import Path

import pytest

from tcserver.config.configuration import Configuration, Sources
from tcserver.records import StoreError
from tcserver.storage.data_directory import Site


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
    identity, made = site.open_identity()
    assert made
    assert site.identity() == identity
    site.database().close()
    site.existing_database().close()


def test_an_identity_that_is_lost_is_not_made_by_itself(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with pytest.raises(StoreError, match="no database"):
        site.replace_lost_identity()
    lost, _ = site.open_identity()
    site.database().close()
    with pytest.raises(StoreError, match=r"identity\.key is there"):
        site.replace_lost_identity()
    (tmp_path / "identity.key").unlink()
    for use in (site.open_identity, site.identity):
        with pytest.raises(StoreError, match=r"no identity\.key: .* tcserver new-identity"):
            use()
    assert not site.has_identity()
    with site.lock(), pytest.raises(StoreError, match="another tcserver"):
        site.replace_lost_identity()
    assert site.replace_lost_identity() == site.identity() != lost


def test_one_server_runs_on_a_site(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.lock(), pytest.raises(StoreError, match="another tcserver"), site.lock():
        pass
