"""The identity of the server, and accounts whose keys are known by their names."""

from __future__ import annotations

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcproto.identity import SigningKey
from tcserver.identity import ServerIdentity
from tcserver.records import Account

SERVER = ServerIdentity(bytes(range(32)))


def account_key(name: str) -> SigningKey:
    return SigningKey(name.encode().ljust(32, b"\0"))


def make_account(name: str, number: int, **values: object) -> Account:
    challenge = Challenge(name.encode().ljust(16, b"\0")[:16], DEFAULT_MEMORY, DEFAULT_PASSES)
    record = {"id": number, "generation": 1, **values}
    return Account(name, name.title(), challenge, account_key(name).public, **record)
