"""The output of a command of the server, and the database that it changed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tcproto.account import derive_account_key, effective_salt
from tcserver.identity import read_identity
from tcserver.storage.database import Database

PASSWORD = "correct horse"


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


def open_database(data: Path) -> Database:
    return Database(data / "tcserver.db")


def login_works(data: Path, name: str, password: str) -> bool:
    with open_database(data) as database:
        account = database.account(name)
    assert account is not None
    salt = effective_salt(read_identity(data / "identity.key").public, account.name, account.challenge.salt)
    key = derive_account_key(password, salt, account.challenge.memory_bytes, account.challenge.passes)
    return key.public == account.public_key


def add(run: Run, name: str = "kantor-1", *options: str) -> None:
    assert run("account", "add", name, "--password-stdin", *options, stdin=f"{PASSWORD}\n").status == 0
