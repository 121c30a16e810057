"""The configuration, read from a file, the environment and flags.

Later sources win: the defaults, the TOML file, environment variables ``TCSERVER_SECTION_KEY``, flags. A setting that is
unknown or out of range is an error that names the source and the key.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tcserver.config.sections import Configuration
from tcserver.config.texts import toml
from tcserver.records.declaration import columns_of
from tcserver.records.kinds import Kind, NotAllowed

ENVIRONMENT_PREFIX = "TCSERVER_"
MAX_FILE_BYTES = 1024 * 1024
"""Bytes of a configuration file; a larger file is some other file."""


class ConfigurationError(Exception):
    """A setting is unknown or out of range. The text is one line: the source, the key, and what it should be."""


_DEFAULTS = Configuration()


class _Text(NamedTuple):
    """A value of the environment or of a flag that is not read yet."""

    text: str


class Setting(NamedTuple):
    """What is known about one setting."""

    key: str
    """``section.name``."""
    kind: Kind
    help: str
    live: bool
    """Whether a reload applies it to the running server."""
    default: Any


class Change(NamedTuple):
    """A key that differs between two configurations, and whether the running server can apply it."""

    key: str
    live: bool


def settings() -> Iterator[Setting]:
    """Return the settings, in the order of the file."""
    for section in dataclasses.fields(Configuration):
        for column in columns_of(type(getattr(_DEFAULTS, section.name))):
            known = column.field.known
            yield Setting(f"{section.name}.{column.name}", column.kind, known.help, known.live, column.field.default)


_SETTINGS = {known.key: known for known in settings()}


@dataclass(frozen=True)
class Sources:
    """Where the configuration comes from. It is loaded at the start and at each reload."""

    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    """Text by ``section.key``."""
    required: bool = True
    """Whether a missing file is an error."""

    def load(self) -> Configuration:
        """Return the effective configuration. Raises ``ConfigurationError`` for the first mistake."""
        return _load(self)


def get(configuration: Configuration, key: str) -> Any:
    """Return the value of ``section.key``."""
    section, _, name = key.partition(".")
    return getattr(getattr(configuration, section), name)


def changes(old: Configuration, new: Configuration) -> list[Change]:
    """Return what a reload changes, in the order of the file."""
    return [Change(known.key, known.live) for known in settings() if get(old, known.key) != get(new, known.key)]


def merge_live(old: Configuration, new: Configuration) -> Configuration:
    """Return ``old`` with the settings of ``new`` that a reload can apply."""
    for key, live in changes(old, new):
        if live:
            section, _, name = key.partition(".")
            old = replace(old, **{section: replace(getattr(old, section), **{name: get(new, key)})})
    return old


def dump(configuration: Configuration) -> str:
    """Return the configuration as a TOML file, with the help as comments. It has no secrets."""
    lines: list[str] = []
    open_section = ""
    for known in settings():
        section, _, name = known.key.partition(".")
        if section != open_section:
            lines += [""] * bool(lines) + [f"[{section}]"]
            open_section = section
        lines.append(f"# {known.help} ({known.kind.allowed})")
        lines.append(f"{name} = {toml(get(configuration, known.key))}")
    return "\n".join(lines) + "\n"


def _load(sources: Sources) -> Configuration:
    configuration = _DEFAULTS
    if sources.file is not None:
        for key, value in _file_values(sources.file, required=sources.required):
            configuration = _with(configuration, str(sources.file), key, value)
    by_variable = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in _SETTINGS}
    for variable in sorted(sources.environment):
        if variable.startswith(ENVIRONMENT_PREFIX):
            if variable not in by_variable:
                raise ConfigurationError(f"environment: {variable} is no setting; see: tcserver config")
            configuration = _with(
                configuration, f"environment: {variable}", by_variable[variable], _Text(sources.environment[variable])
            )
    for key, text in sources.flags.items():
        configuration = _with(configuration, "flag", key, _Text(text))
    return configuration


def _file_values(file: Path, *, required: bool) -> Iterator[tuple[str, object]]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{file}: more than {MAX_FILE_BYTES} bytes")
        document = tomllib.loads(content.decode("utf-8-sig"))  # editors of Windows put a byte order mark before it
    except (FileNotFoundError, NotADirectoryError):  # some users have /dev/null as home
        if required:
            raise ConfigurationError(f"{file}: there is no such file") from None
        return
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from None
    for section, values in document.items():
        if not isinstance(values, dict):
            raise ConfigurationError(f"{file}: {section} stands outside a section")
        if not values and not hasattr(_DEFAULTS, section):
            raise ConfigurationError(f"{file}: [{section}] is no section; see: tcserver config")
        for name, value in values.items():
            yield f"{section}.{name}", value


def _with(configuration: Configuration, source: str, key: str, value: object) -> Configuration:
    """Return ``configuration`` with one key replaced. ``value`` is a value of the file, or a ``_Text``."""
    if key not in _SETTINGS:
        raise ConfigurationError(f"{source}: {key} is no setting; see: tcserver config")
    kind = _SETTINGS[key].kind
    try:
        read = kind.from_text(value.text) if isinstance(value, _Text) else kind.from_document(value)
    except NotAllowed:
        given = repr(value.text) if isinstance(value, _Text) else toml(value)
        raise ConfigurationError(f"{source}: {key} should be {kind.allowed}, not {given}") from None
    section, _, name = key.partition(".")
    return replace(configuration, **{section: replace(getattr(configuration, section), **{name: read})})
