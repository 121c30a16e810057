"""The web of a server: its front, its site and its certificate, made of the settings."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tcserver.config.configuration import ConfigurationError
from tcserver.config.sections import Configuration
from tcserver.daemon.addresses import interface_addresses
from tcserver.daemon.control_server import ControlServer
from tcserver.monitoring.logs import EventLog
from tcserver.storage import private_files
from tcserver.storage.data_directory import DataDirectory
from tcserver.version import version
from tcserver.web.byte_stream import OpenStream
from tcserver.web.certificates.keeper import CertificateKeeper, OwnFiles, SelfSigned, Source
from tcserver.web.front import Front
from tcserver.web.http.hosts import LOCAL_NAMES, HostNames, in_ascii
from tcserver.web.http.page import Page
from tcserver.web.http.site import HOW_TO_BUILD, Redirect, Site
from tcserver.web.service import WebService
from tcserver.web.trusted_proxies import TrustedProxies

LOOK_INTERVAL = 10.0
"""Seconds between two looks at the files of the certificate."""
DAY = 86_400.0


class WebFront:
    """The front of ``server.port`` and of the other ports of the web.

    ``fingerprint`` is that of the server's key, ``host`` its name or address in links. Raises ``ConfigurationError``
    for a certificate that cannot be used.
    """

    def __init__(
        self,
        configuration: Configuration,
        directory: DataDirectory,
        fingerprint: bytes,
        host: str | None,
        control: ControlServer,
        log: EventLog,
        open_stream: OpenStream | None = None,
    ) -> None:
        self._directory = directory
        self._host = host
        self._control = control
        self._log = log
        self._web = web = configuration.web
        self.port = 0
        """The port in web links, known when the server listens."""
        self._names = _names(configuration, host)
        self._keeper = CertificateKeeper(self._source(), time.time(), self._not_read)
        self._warn_of_the_end()
        self._last_warning = time.time()
        self._next_look: asyncio.TimerHandle | None = None
        self._hosts = self._host_names()
        try:
            self._page: Page | None = Page()
        except FileNotFoundError:
            self._page = None
        self.service = WebService(
            control.turns,
            lambda error: log.crash("web request failed", error),
            web.max_connections,
            web.max_connections_per_address,
            open_stream,
        )
        about = {"fingerprint": format_fingerprint(fingerprint), "version": version()}
        site = Site(
            self._page,
            lambda: self._hosts,
            json.dumps(about).encode(),
            lambda: not self._keeper.certificate.is_self_signed,
        )
        self._front = Front(
            self.service,
            control.make_peer,
            lambda: self._keeper.context,
            site,
            Redirect(lambda: self._hosts, self._redirect_port),
            TrustedProxies(web.trusted_proxies),
            is_plain=web.plain,
        )
        self.make_protocol = self._front.make_protocol

    def listen(self, hosts: Sequence[str], server_port: int) -> None:
        """Listen on the ports that only the web has. Raises ``OSError``."""
        self.port = self._web.link_port(server_port)
        for setting, port in (("web.port", self._web.port), ("web.redirect_port", self._web.redirect_port)):
            if port:
                self._control.listen(hosts, port, self.make_protocol, setting)
        self._look_later()

    def _look_later(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self._look)

    def _look(self) -> None:
        """Read the certificate again if its files have changed; warn once a day of one that runs out."""
        self._look_later()
        now = time.time()
        if self._keeper.look(now):
            self._read_again()
        elif now - self._last_warning >= DAY:
            self._warn_of_the_end()
            self._last_warning = now

    def reload(self, configuration: Configuration) -> None:
        """Apply the settings that may change, and read the certificate again."""
        self._web = web = configuration.web
        self._names = _names(configuration, self._host)
        self.service.limit(web.max_connections, web.max_connections_per_address)
        try:
            source = self._source()
        except ConfigurationError as error:
            self._not_read(str(error))
        else:
            if self._keeper.use(source, time.time()):
                self._read_again()
        self._hosts = self._host_names()

    def announcement(self, link: Link) -> Iterator[str]:
        """Yield lines for the operator: the web link for a join link, and what browsers will say of the certificate."""
        if self._page is None:
            yield f"web page     missing: {HOW_TO_BUILD}"
            return
        yield f"web link     {link.on_the_web(self.port)}"
        certificate = self._keeper.certificate
        if certificate.is_self_signed and not self._web.plain:
            yield "certificate  self-signed: each browser warns once, and then shows this SHA-256:"
            yield f"             {certificate.sha256}"

    def close(self) -> None:
        """End the connections that are in no meeting."""
        if self._next_look is not None:
            self._next_look.cancel()
        self.service.close()

    def _redirect_port(self, arrived_at: int) -> int:
        """Return the port for a browser without encryption: the one that it knows, unless that has no HTTPS."""
        return self.port if arrived_at == self._web.redirect_port else arrived_at

    def _source(self) -> Source:
        web = self._web
        if not web.certificate:
            if web.key:
                raise ConfigurationError("web.key: web.certificate should name the file of its certificate")
            return SelfSigned(self._directory.path / private_files.WEB_CERTIFICATE_FILE, self._names)
        return OwnFiles(_file(web.certificate), _file(web.key) if web.key else None)

    def _host_names(self) -> HostNames:
        return HostNames((*self._names, *self._keeper.certificate.names))

    def _read_again(self) -> None:
        self._hosts = self._host_names()
        self._log.info("certificate read", names=",".join(sorted(self._keeper.certificate.names)))
        self._warn_of_the_end()

    def _warn_of_the_end(self) -> None:
        if self._keeper.runs_out(time.time()):
            ends = time.strftime("%Y-%m-%d", time.gmtime(self._keeper.certificate.not_after))
            self._log.warning("certificate runs out", ends=ends)

    def _not_read(self, reason: str) -> None:
        self._log.error("certificate not read", reason=reason)


def _file(path: str) -> Path:
    return private_files.expanded(path)


def names_for_browsers(
    configuration: Configuration, host: str | None, machine: str, interfaces: Sequence[str]
) -> frozenset[str]:
    """Return the names and addresses by which browsers reach a server, as a certificate has them.

    ``host`` is that of its links, ``machine`` the name of the machine, ``interfaces`` are the addresses of the machine.
    """
    server = configuration.server
    listed = [address for address in server.addresses if not ipaddress.ip_address(address).is_unspecified]
    takes_all = len(listed) < len(server.addresses) or not listed
    addresses = ["127.0.0.1", "::1", *listed, *(interfaces if takes_all else ())]
    names = [*LOCAL_NAMES, machine, server.public_host, host or "", *configuration.web.hosts, *addresses]
    written = {_written(name) for name in names}
    return frozenset(name for name in written if name and name.isascii() and "%" not in name)


def _names(configuration: Configuration, host: str | None) -> frozenset[str]:
    return names_for_browsers(configuration, host, socket.gethostname(), interface_addresses())


def _written(name: str) -> str:
    """Return a name as it stands in a certificate; an address in its usual form."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return in_ascii(name)
