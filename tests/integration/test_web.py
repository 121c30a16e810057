"""The web of a whole server: its port, its certificate, the settings, and reverse proxies in front of it."""

import asyncio
import contextlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from tcproto.control import ControlConnection, HandshakeCompleted
from tcproto.identity import fingerprint, format_fingerprint
from tcproto.stream_path import SUBPROTOCOL, MessageKind, pack_control
from tcserver.web.certificates.certificate import make_self_signed, read_certificate
from tests.documents.reader import OPERATING, text_of
from tests.support.processes.world import PATIENCE, Run, World
from tests.support.web_world import client_context, get, response

one_loop = pytest.mark.parametrize("run", ["asyncio"], indirect=True)
"""For what has no client's loop as its subject."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None, host: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    name = host if context is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def asked(
    port: int, path: str, *fields: str, tls: bool = True, host: str = "localhost"
) -> tuple[int, dict, bytes]:
    """Status, headers and body of an answer."""
    async with connected(port, client_context() if tls else None, host) as (reader, writer):
        writer.write(get(path, *fields, host=host))
        return await response(reader)


@contextlib.asynccontextmanager
async def proved(
    port: int, *, tls: bool = True, host: str = "localhost", source: str = "127.0.0.1"
) -> AsyncIterator[bytes]:
    """Do the Noise handshake by the stream path; yield the fingerprint of the server."""
    scheme = "wss" if tls else "ws"
    async with connect(
        f"{scheme}://{host}/tc",
        host="127.0.0.1",
        port=port,
        local_addr=(source, 0),
        ssl=client_context() if tls else None,
        origin=Origin(f"https://{host}"),
        additional_headers={"Forwarded": "for=6.6.6.6"},
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        proxy=None,
    ) as stream:
        connection = ControlConnection.client()
        for message in pack_control(connection.data_to_send()):
            await stream.send(message)
        while (event := connection.next_event()) is None:
            message = await stream.recv()
            assert isinstance(message, bytes)
            assert message[0] == MessageKind.CONTROL
            connection.receive_data(message[1:])
        assert isinstance(event, HandshakeCompleted)
        yield fingerprint(event.remote_static)


def test_everything_is_on_one_port(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            port = server.link.port
            assert server.link.fingerprint is not None
            async with world.client(server.room("Hall")) as room:
                status, headers, body = await asked(port, "/config.json")
                assert (status, headers["Content-Type"]) == (200, "application/json")
                assert format_fingerprint(server.link.fingerprint).encode() in body
                async with proved(port) as seen:
                    assert seen == server.link.fingerprint
                    assert {peer.address for peer in server.daemon.control.peers.values()} == {"127.0.0.1"}
                status, headers, _ = await asked(port, "/rapat", tls=False)
                assert (status, headers["Location"]) == (308, f"https://localhost:{port}/rapat")
                assert (await asked(port, "/", host="evil.example"))[0] == 403
                assert (await asked(port, "/tc", "Origin: https://evil.example"))[0] == 403
                assert room.closed is None

    run(main)


@one_loop
def test_without_web_a_browser_is_a_client_that_breaks_the_protocol(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(web__enabled="false") as server:
            assert server.daemon.web is None
            assert not any("web" in line for line in server.daemon.announcement())
            with pytest.raises(OSError):  # noqa: PT011 - the end comes in several forms
                await asked(server.link.port, "/")
            async with world.client(server.room("Hall")):
                pass
        assert not (world.data / "web.pem").exists()

    run(main)


@one_loop
def test_other_ports(run: Run, world: World) -> None:
    web, redirect = free_port(), free_port()

    async def main() -> None:
        async with world.serving(web__port=web, web__redirect_port=redirect) as server:
            assert (await asked(web, "/config.json"))[0] == 200
            assert (await asked(server.link.port, "/config.json"))[0] == 200
            for port in (web, redirect):
                status, headers, _ = await asked(port, "/rapat", tls=False)
                assert (status, headers["Location"]) == (308, f"https://localhost:{web}/rapat")
        with pytest.raises(ConnectionRefusedError):
            await asked(web, "/")

    run(main)


@one_loop
def test_plain_http_for_a_proxy_on_this_machine(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(web__plain="true", server__public_host="conference.example") as server:
            assert (await asked(server.link.port, "/config.json", tls=False, host="conference.example"))[0] == 200
            async with proved(server.link.port, tls=False) as seen:
                assert seen == server.link.fingerprint
            (line,) = [line for line in server.daemon.announcement() if line.startswith(("web link", "web page"))]
            assert line.startswith("web page") or "https://conference.example/#fp=" in line

    run(main)


def test_the_start_tells_where_the_page_is(world: World) -> None:
    result = []
    with world.process() as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stdout is not None
        result = server.process.stdout.read().splitlines()
    assert any(line.startswith(("web link     https://127.0.0.1:", "web page     missing: ")) for line in result)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["web.certificate=/none.pem"], "web.certificate: /none.pem: no such file or directory"),
        (["web.key=/none.pem"], "web.key: web.certificate should name the file of its certificate"),
        (["web.trusted_proxies=proxy.example"], "web.trusted_proxies should be a list of at most 16"),
        (["web.port=x"], "web.port should be a whole number from 0 to 65535, not 'x'"),
    ],
)
def test_settings_that_cannot_be_are_one_clear_line(world: World, flags: list[str], text: str) -> None:
    command = ("run", "--set=server.addresses=127.0.0.1", "--set=server.port=0", *(f"--set={flag}" for flag in flags))
    result = world.command(*command)
    assert (result.returncode, result.stdout) == (2, "")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("setting", ["web.port", "web.redirect_port"])
def test_a_port_in_use(world: World, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = world.command(
            "run", "--set=server.addresses=127.0.0.1", "--set=server.port=0", f"--set={setting}={port}"
        )
    assert result.returncode == 1
    assert result.stderr == f"tcserver: {setting}: TCP port {port}: address already in use\n"


def put(folder: Path, name: str) -> None:
    """Write the two files of a certificate for a host name."""
    key, mark, certificate = make_self_signed([name], time.time()).partition(b"-----BEGIN CERTIFICATE-----")
    (folder / "key.pem").write_bytes(key)
    (folder / "chain.pem").write_bytes(mark + certificate)


def shown(port: int) -> frozenset[str]:
    """The names in the certificate of a server."""
    return read_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).names


def test_a_new_certificate_is_shown_after_a_reload_and_a_broken_one_is_not(
    run: Run, world: World, tmp_path: Path
) -> None:
    put(tmp_path, "old.example")
    flags = [f"web.certificate={tmp_path / 'chain.pem'}", f"web.key={tmp_path / 'key.pem'}"]
    with world.process(*flags) as server:
        port = server.link.port
        assert shown(port) == {"old.example"}
        put(tmp_path, "new.example")
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while shown(port) != {"new.example"}:
            assert time.monotonic() < deadline
        (tmp_path / "chain.pem").write_text("nothing")
        server.process.send_signal(signal.SIGHUP)
        while not server.logged("certificate not read"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert shown(port) == {"new.example"}
        assert server.logged("there is no certificate in PEM")
        assert server.process.poll() is None


@one_loop
def test_files_that_change_are_noticed(run: Run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcserver.daemon.web_front.LOOK_INTERVAL", 0.05)
    put(tmp_path, "old.example")

    async def main() -> None:
        files = {"web__certificate": tmp_path / "chain.pem", "web__key": tmp_path / "key.pem"}
        async with world.serving(**files) as server:
            assert (await asked(server.link.port, "/config.json", host="old.example"))[0] == 200
            put(tmp_path, "new.example")
            async with asyncio.timeout(PATIENCE):
                while (await asked(server.link.port, "/config.json", host="new.example"))[0] != 200:
                    pass
            assert await asyncio.to_thread(shown, server.link.port) == {"new.example"}
            assert (await asked(server.link.port, "/config.json", host="old.example"))[0] == 403

    run(main)


@one_loop
def test_the_self_signed_certificate_stays_and_has_the_names(run: Run, world: World) -> None:
    async def main() -> None:
        seen = []
        for _ in range(2):
            async with world.serving(server__public_host="rapat.example", web__hosts="b\u00fcro.example") as server:
                pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", server.link.port))
                seen.append(read_certificate(pem.encode()))
                headers = (await asked(server.link.port, "/config.json", host="xn--bro-hoa.example"))[1]
                assert "Strict-Transport-Security" not in headers
        assert seen[0] == seen[1]
        assert {"rapat.example", "xn--bro-hoa.example", "localhost", "127.0.0.1", "::1"} <= seen[0].names
        assert (world.data / "web.pem").stat().st_mode & 0o777 == 0o600

    run(main)


# Reverse proxies, with the configurations of OPERATING.md


def configuration(after: str) -> str:
    """The block of OPERATING.md behind a line."""
    text = text_of(OPERATING)
    (found,) = re.findall(rf"^{after}:\n\n```\w+\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    return str(found)


def nginx_command(folder: Path, port: int, upstream: int) -> list[str]:
    text = configuration("nginx")
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:443 ssl;\n", ""),
        ("/etc/letsencrypt/live/conference.example/fullchain.pem", str(folder / "chain.pem")),
        ("/etc/letsencrypt/live/conference.example/privkey.pem", str(folder / "key.pem")),
        ("127.0.0.1:7433", f"127.0.0.1:{upstream}"),
    ):
        assert old in text
        text = text.replace(old, new)
    paths = "".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {paths}\n{text}}}\n"
    )
    return ["nginx", "-c", str(file), "-p", str(folder)]


def caddy_command(folder: Path, port: int, upstream: int) -> list[str]:
    text = configuration("Caddy")
    tls = f"    tls {folder / 'chain.pem'} {folder / 'key.pem'}\n"
    text = text.replace("conference.example {\n", f"https://conference.example:{port} {{\n    bind 127.0.0.1\n{tls}")
    text = text.replace("127.0.0.1:7433", f"127.0.0.1:{upstream}")
    file = folder / "Caddyfile"
    file.write_text(
        f"{{\n    admin off\n    auto_https disable_redirects\n    storage file_system {folder}\n}}\n{text}"
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


@contextlib.contextmanager
def proxy(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, process.stdout and process.stdout.read()
                assert time.monotonic() < deadline, "the proxy does not listen"
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait()


@one_loop
@pytest.mark.parametrize("make", [nginx_command, caddy_command], ids=["nginx", "caddy"])
def test_a_reverse_proxy(run: Run, world: World, tmp_path: Path, make: object) -> None:
    assert callable(make)
    name = make.__name__.partition("_")[0]
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: apt install {name}")
    put(tmp_path, "conference.example")
    port = free_port()
    settings = {
        "server__public_host": "conference.example",
        "web__plain": "true",
        "web__trusted_proxies": "127.0.0.1,::1",
    }

    async def main() -> None:
        async with world.serving(**settings) as server:
            with proxy(make(tmp_path, port, server.link.port), port):
                assert (await asked(port, "/config.json", host="conference.example"))[0] == 200
                async with proved(port, host="conference.example", source="127.0.0.2") as seen:
                    assert seen == server.link.fingerprint
                    (peer,) = server.daemon.control.peers.values()
                    assert peer.address == "127.0.0.2", "the proxy's word, not that of the client"

    run(main)
