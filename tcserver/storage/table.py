"""A table of the database, made of the declarations of its records."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from tcserver.records.declaration import Column, arguments_of, columns_of, values_of

R = TypeVar("R")
Row = Sequence[Any]


class Table(Generic[R]):
    """The table ``name`` of records of a class. Names of tables and columns come from this program alone."""

    def __init__(self, name: str, record: type[R]) -> None:
        self.name = name
        self._record = record
        self.columns = [column for column in columns_of(record) if column.field.known.is_column]
        """In the order of a row."""
        self.selection = ", ".join(f"{name}.{column.name}" for column in self.columns)
        """For ``SELECT``."""

    def read(self, row: Row, **others: Any) -> R:
        """Return the record of a row of ``selection``. ``others`` are its fields that are not columns of this table."""
        values = {column.name: column.kind.from_sql(value) for column, value in zip(self.columns, row, strict=True)}
        return self._record(**arguments_of(self._record, {**values, **others}))

    def insert(self, connection: sqlite3.Connection, record: R, also: str = "", **others: Any) -> sqlite3.Cursor:
        """Insert a record. ``others`` are more columns and their values, ``also`` ends the statement."""
        row = {**self._written(record), **others}
        marks = ", ".join("?" * len(row))
        statement = f"INSERT INTO {self.name} ({', '.join(row)}) VALUES ({marks}) {also}"  # noqa: S608
        return connection.execute(statement, tuple(row.values()))

    def update(self, connection: sqlite3.Connection, record: R, row_id: int, **others: Any) -> None:
        """Replace the row with this id by a record."""
        row = {**self._written(record), **others}
        changes = ", ".join(f"{name} = ?" for name in row)
        statement = f"UPDATE {self.name} SET {changes} WHERE id = ?"  # noqa: S608
        connection.execute(statement, (*row.values(), row_id))

    def added(self, version: int) -> tuple[str, ...]:
        """Return the statements that add the columns of this version to the table of the version before."""
        return tuple(self._addition(column) for column in self.columns if column.field.known.since == version)

    def _written(self, record: R) -> dict[str, Any]:
        values = values_of(record)
        return {
            column.name: column.kind.to_sql(values[column.name])
            for column in self.columns
            if column.field.known.is_exported
        }

    def _addition(self, column: Column) -> str:
        kind = column.kind
        words = ["ALTER TABLE", self.name, "ADD COLUMN", column.name, kind.sql]
        if not kind.is_optional:
            words.append(f"NOT NULL DEFAULT {_literal(kind.to_sql(column.field.default))}")
        if kind.constraint:
            words.append(f"CHECK ({kind.constraint.format(column.name)})")
        return " ".join(words)


def _literal(value: Any) -> str:
    """Return a value of a column as SQL."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(int(value) if isinstance(value, bool) else value)
