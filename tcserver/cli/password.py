"""Passwords on the command line: where they come from, and how made-up ones are handed out."""

from __future__ import annotations

import argparse
import csv
import getpass
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tcproto.account import MAX_PASSWORD_BYTES, PASSWORD_ENTROPY_SIZE, generate_password, read_password
from tcserver.cli.standard_files import print_data, read_data
from tcserver.records import StoreError
from tcserver.storage import private_files
from tcserver.storage.credentials import check_password

MAX_LINE_BYTES = MAX_PASSWORD_BYTES + 8
"""Bytes of the line with a password, with a byte order mark and the end of the line."""


def add_password_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the source of a password."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--password-stdin", action="store_true", help="read the password from standard input, in UTF-8")
    source.add_argument("--generate", action="store_true", help="make up a password and print it, once")


def made_up_password() -> str:
    """Return a password of 80 random bits."""
    return generate_password(os.urandom(PASSWORD_ENTROPY_SIZE))


def new_password(arguments: argparse.Namespace) -> str:
    """Return the new password, checked. It is made up, read, or asked for twice. Raises ``StoreError``."""
    if arguments.generate:
        return made_up_password()
    try:
        if arguments.password_stdin:
            password = read_password(read_data(MAX_LINE_BYTES, line=True))
        elif sys.stdin.isatty():
            typed = getpass.getpass("Password: ")
            if getpass.getpass("Once more: ") != typed:
                raise StoreError("the two passwords differ")
            password = read_password(typed.encode(errors="surrogateescape"))  # the locale may not have the characters
        else:
            raise StoreError("there is no terminal to ask for the password: use --password-stdin or --generate")
    except ValueError as error:
        raise StoreError(str(error)) from None
    check_password(password)
    return password


@contextmanager
def handed_out(rows: Sequence[Sequence[str]], output: Path | None = None) -> Iterator[None]:
    """Write a table of made-up passwords before the block that makes them valid.

    So a full disk or a closed pipe cannot lose a password that is in use. ``output`` is a new file of mode 0600, which
    is removed if the block fails. Without it the table is printed. Raises ``StoreError`` and ``OSError``.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    if output is None:
        print_data(text.getvalue())
        try:
            yield
        except BaseException:
            print("tcserver: the passwords above are not valid", file=sys.stderr)
            raise
        return
    try:
        private_files.write_private(output, text.getvalue().encode())
    except FileExistsError:
        raise StoreError(f"{output} exists") from None
    try:
        yield
    except BaseException:
        output.unlink()
        raise
