"""The page where the browser has hardware for H.264, as it believes here: its own encoder stands for that."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.harness.browser import (
    CAMERA_HEIGHT,
    CAMERA_PICTURES,
    CAMERA_RATE,
    CAMERA_WIDTH,
    write_camera,
)
from benchmarks.harness.signal_comparison import psnr
from tcclient.capture.picture import TestPicture, read_counter
from tests.integration.web.conftest import FLAGS
from tests.integration.web.test_layers import COUNT, encodes, lines_shown
from tests.integration.web.test_media import native_client
from tests.support.processes.world import PATIENCE, Server
from tests.support.visitor import PATIENCE_MS, PIXELS, Arrive, Visitor

HARDWARE = """
const Original = self.VideoEncoder;
const anywhere = (config) => ({ ...config, hardwareAcceleration: "no-preference" });
self.hardwareEncoded = 0;
self.VideoEncoder = class extends Original {
  constructor(init) {
    super({ ...init, output: (chunk, more) => {
      self.hardwareEncoded += 1;
      init.output(chunk, more);
    } });
  }
  static isConfigSupported(config) {
    return super.isConfigSupported(anywhere(config));
  }
  configure(config) {
    if (!config.codec.startsWith("avc1.")) throw new Error(`pictures are encoded in ${config.codec}`);
    super.configure(anywhere(config));
  }
};
"""
"""Lets the worker of the page believe that hardware encodes H.264, and nothing else. Counts what is encoded."""
PICTURES = 100
"""Of a recording, in both sizes."""
ALIKE = 30.0
"""dB of PSNR between a picture and its source; the picture before or after it has less than 25."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose camera shows numbered pictures again and again."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: `apt install chromium` brings it")
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera(camera)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        )
        yield browser
        browser.close()


def likeness(picture: av.VideoFrame) -> float:
    """Return the PSNR, in dB, of the light of a picture (yuv420p) against that of the camera which it shows."""
    number = read_counter(picture)
    assert number < CAMERA_PICTURES, "a picture that the camera never showed"
    source = TestPicture(CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE).frame(number)
    source = source.reformat(picture.width, picture.height)
    luma = [frame.to_ndarray()[: frame.height].astype(np.float64) for frame in (source, picture)]
    return psnr(float(np.mean((luma[0] - luma[1]) ** 2)))


def shown(visitor: Visitor, name: str) -> av.VideoFrame:
    """Return the picture that a tile shows now; browsers take H.264 that says nothing of its colours for BT.709."""
    width, height, text = visitor.picture(name).evaluate(PIXELS)
    pixels: npt.NDArray[np.uint8] = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
    picture = av.VideoFrame.from_ndarray(pixels, format="rgba")
    return picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")


def unit_types(packet: "av.Packet[Any]") -> list[int]:
    """Return the types of the NAL units of a picture in a Matroska file, where each has its length before it."""
    data, types = bytes(packet), []
    while data:
        length = int.from_bytes(data[:4])
        types.append(data[4] & 31)
        data = data[4 + length :]
    return types


def test_a_recording_has_the_h264_of_the_page(web_server: Server, arrive: Arrive, tmp_path: Path) -> None:
    link = web_server.room("Recorded H.264")
    siti = arrive()
    siti.begin_worker_with(HARDWARE)
    siti.join(link, "kantor-1", "Siti")
    records = tmp_path / "records"
    with native_client(link, tmp_path / "client", "--listen", "--record", str(records)) as recorder:
        (worker,) = siti.page.workers
        for _ in range(int(PATIENCE * 10)):
            if worker.evaluate("self.hardwareEncoded") >= PICTURES:
                break
            siti.page.wait_for_timeout(100)
        said, _ = recorder.communicate("/quit\n", timeout=PATIENCE)
    assert recorder.returncode == 0, said
    film = next(records.rglob("*.mkv"))
    with av.open(film) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert packets[0].is_keyframe
        # Sequence and picture parameter sets, and a picture that refers to none (ITU-T H.264, table 7-1).
        assert all({7, 8, 5} <= set(unit_types(packet)) for packet in packets if packet.is_keyframe)
        assert all(not {7, 8, 5} & set(unit_types(packet)) for packet in packets if not packet.is_keyframe)
    with av.open(film) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        pictures = list(container.decode(video=0))
    assert len(pictures) == len(packets) > PICTURES // 4
    assert len({read_counter(picture) for picture in pictures}) > 20
    assert min(map(likeness, pictures)) > ALIKE


def test_a_page_shows_the_h264_of_another_in_both_sizes(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Shown H.264")
    siti, budi = arrive(), arrive()
    siti.begin_worker_with(HARDWARE)
    with siti.page.expect_worker() as engine:
        siti.page.goto(link.on_the_web(link.port))
    engine.value.evaluate(COUNT)
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    expect(siti.button("Stop camera")).to_be_visible()
    encodes(siti, lambda found: found == set())
    # Who comes gets a keyframe, and another one for each change of the size.
    budi.join(link, "kantor-2", "Budi")
    budi.button("Settings").click()
    for wanted, lines in (("720", 360), ("180", 180), ("720", 360)):
        budi.field("Received resolution").select_option(wanted)
        lines_shown(budi, "Siti", lines)
        found: set[int] = set()
        for _ in range(int(PATIENCE * 10)):
            picture = shown(budi, "Siti")
            assert likeness(picture) > ALIKE
            found.add(read_counter(picture))
            if len(found) > 3:
                break
            budi.page.wait_for_timeout(100)
        assert len(found) > 3
        if lines == 180:
            encodes(siti, lambda found: found == {(180, 0), (180, 1)})
