"""The data directory of a server, with its database and its identity. The daemon and the commands open it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcserver.config.sections import Configuration
from tcserver.identity import ServerIdentity, open_identity, read_identity
from tcserver.records import StoreError
from tcserver.storage import private_files
from tcserver.storage.database import Database


@dataclass(frozen=True)
class DataDirectory:
    """The data directory at ``path``."""

    path: Path

    @classmethod
    def of(cls, configuration: Configuration, environment: Mapping[str, str]) -> DataDirectory:
        """Return the data directory of ``configuration``. The environment says where the default directory is."""
        named = configuration.server.data
        return cls(private_files.expanded(named) if named else private_files.default_data_directory(environment))

    def exists(self) -> bool:
        """Tell whether there is a database."""
        return (self.path / private_files.DATABASE_FILE).exists()

    def make(self) -> None:
        """Make the directory, private to its owner, if there is none."""
        private_files.make_private_directory(self.path)

    def database(self) -> Database:
        """Open the database; make it if there is none. Raises as ``Database``."""
        return Database(self.path / private_files.DATABASE_FILE)

    def existing_database(self) -> Database:
        """Open the database. Raises ``StoreError`` if there is none: the operator probably means another directory."""
        if not self.exists():
            raise StoreError(f"there is no database in {self.path}; name the data directory with --data")
        return self.database()

    def has_identity(self) -> bool:
        """Tell whether there is a key."""
        return (self.path / private_files.IDENTITY_FILE).exists()

    def open_identity(self) -> tuple[ServerIdentity, bool]:
        """Return the identity, and whether it was made now because there was none.

        Raises ``StoreError`` if there is a database without identity: its passwords belong to the lost identity, which
        clients trust.
        """
        self._check_not_lost()
        return open_identity(self.path / private_files.IDENTITY_FILE, os.urandom)

    def identity(self) -> ServerIdentity:
        """Return the identity. Raises ``StoreError`` if there is none."""
        self._check_not_lost()
        return read_identity(self.path / private_files.IDENTITY_FILE)

    def replace_lost_identity(self) -> ServerIdentity:
        """Make an identity for a database that has lost its own, because the operator says so.

        Raises ``StoreError`` if there is an identity, no database, or a running server.
        """
        self.existing_database().close()
        with self.lock():
            identity, made = open_identity(self.path / private_files.IDENTITY_FILE, os.urandom)
        if not made:
            raise StoreError(f"{self.path / private_files.IDENTITY_FILE} is there: nothing is lost")
        return identity

    def _check_not_lost(self) -> None:
        if self.exists() and not self.has_identity():
            raise StoreError(
                f"{self.path} has a database but no {private_files.IDENTITY_FILE}: put back the one of this server, "
                "from a backup, with mode 600. If it is lost for good, use tcserver new-identity; then every account "
                "needs a new password, and everybody the new link"
            )

    def lock(self) -> private_files.DataLock:
        """Return the lock that a running server holds."""
        return private_files.DataLock(self.path)
