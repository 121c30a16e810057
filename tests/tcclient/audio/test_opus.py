import ctypes.util
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.audio import libopus, opus
from tcclient.audio.opus import (
    MAX_PACKET_BYTES,
    MAX_PACKET_SAMPLES,
    Application,
    BitrateMode,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    OpusUnavailable,
    cbr_bitrate,
    packet_duration,
    packet_has_fec,
)
from tcclient.audio.tone import sine, speech_like

SPEECH = speech_like(48_000 * 4, seed=3)


def frames(pcm, size=960):
    return [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]


def spectrum_peak(pcm):
    return np.argmax(np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))) * 48_000 / len(pcm)


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize("mode", BitrateMode)
@pytest.mark.parametrize("application", Application)
def test_round_trip_keeps_length_and_pitch(frame_ms, mode, application):
    encoder, decoder = OpusEncoder(frame_ms=frame_ms, mode=mode, application=application), OpusDecoder()
    assert encoder.frame_samples == frame_ms * 48
    packets = [encoder.encode(frame) for frame in frames(sine(440, 48_000), encoder.frame_samples)]
    assert {packet_duration(packet) for packet in packets} == {encoder.frame_samples}
    decoded = [decoder.decode(packet) for packet in packets]
    assert {(pcm.dtype, pcm.shape) for pcm in decoded} == {(np.dtype(np.int16), (encoder.frame_samples,))}
    assert spectrum_peak(np.concatenate(decoded)) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("payload", "frame_ms"), [(47, 20), (63, 20), (79, 20), (127, 40), (175, 60)])
def test_cbr_packets_have_exactly_the_length_asked_for(payload, frame_ms):
    encoder = OpusEncoder(bitrate=cbr_bitrate(payload, frame_ms), frame_ms=frame_ms)
    assert {len(encoder.encode(frame)) for frame in frames(SPEECH, encoder.frame_samples)} == {payload}


def test_default_packets_fill_a_padding_step():
    encoder = OpusEncoder()
    assert (len(encoder.encode(SPEECH[:960])) + 1) % 16 == 0


def test_bitrate_can_change_while_encoding():
    encoder = OpusEncoder(bitrate=16_000)
    before = len(encoder.encode(SPEECH[:960]))
    encoder.set_bitrate(32_000)
    assert (before, len(encoder.encode(SPEECH[960:1920]))) == (40, 80)


def test_dtx_shrinks_silence_and_can_be_switched_off():
    encoder = OpusEncoder(mode=BitrateMode.VBR, dtx=True)
    silence = np.zeros(960, np.int16)
    sizes = [len(encoder.encode(silence)) for _ in range(50)]
    assert min(sizes) <= 2
    encoder.set_dtx(False)
    assert min(len(encoder.encode(silence)) for _ in range(20)) > 2


def test_fec_recovers_a_lost_frame_better_than_concealment():
    encoder = OpusEncoder(bitrate=32_000, mode=BitrateMode.VBR, fec=True, expected_loss_percent=20)
    packets = [encoder.encode(frame) for frame in frames(SPEECH)]
    assert sum(map(packet_has_fec, packets)) > len(packets) / 3
    complete = OpusDecoder()
    whole = [complete.decode(packet) for packet in packets]
    recovered_error = concealed_error = 0.0
    for lost in (index for index in range(10, len(packets) - 1) if packet_has_fec(packets[index + 1])):
        with_fec, without = OpusDecoder(), OpusDecoder()
        for packet in packets[lost - 10 : lost]:
            with_fec.decode(packet)
            without.decode(packet)
        recovered = with_fec.decode_fec(packets[lost + 1], 960)
        assert recovered.shape == (960,)
        recovered_error += float(np.sum((recovered - whole[lost].astype(float)) ** 2))
        concealed_error += float(np.sum((without.conceal(960) - whole[lost].astype(float)) ** 2))
    assert recovered_error < concealed_error / 2


def test_fec_can_be_switched():
    encoder = OpusEncoder(bitrate=32_000, expected_loss_percent=20)
    assert not any(packet_has_fec(encoder.encode(frame)) for frame in frames(SPEECH[:48_000]))
    encoder.set_fec(True)
    encoder.set_expected_loss(30)
    assert any(packet_has_fec(encoder.encode(frame)) for frame in frames(SPEECH[:48_000]))


def test_fec_of_an_old_library_is_unknown(monkeypatch):
    encoder = OpusEncoder(bitrate=32_000, fec=True, expected_loss_percent=20)
    packets = [encoder.encode(frame) for frame in frames(SPEECH)]
    monkeypatch.setattr(opus, "_LOADED", opus._LOADED._replace(library=object()))
    assert not any(map(packet_has_fec, packets))


def test_empty_has_no_fec():
    assert not packet_has_fec(b"")


def test_fec_without_fec_data_conceals():
    decoder = OpusDecoder()
    packet = OpusEncoder().encode(SPEECH[:960])
    assert len(decoder.decode_fec(packet, 960)) == 960


def test_concealment_continues_a_tone_and_then_fades():
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in frames(sine(300, 48_000, level=-15)):
        played = decoder.decode(encoder.encode(frame))
    first = decoder.conceal(960)
    for _ in range(60):
        last = decoder.conceal(960)
    power = [float(np.mean(pcm.astype(float) ** 2)) for pcm in (played, first, last)]
    assert power[1] > power[0] / 4
    assert power[2] < power[0] / 10


@pytest.mark.parametrize("samples", [1, 100, 120, 121, 960, 2_880, 5_760])
def test_concealment_gives_any_length(samples):
    assert OpusDecoder().conceal(samples).shape == (samples,)


@pytest.mark.parametrize("samples", [0, -1, 5_761])
def test_concealment_refuses_impossible_lengths(samples):
    with pytest.raises(OpusError, match="cannot conceal"):
        OpusDecoder().conceal(samples)


@pytest.mark.parametrize(
    "pcm",
    [
        np.zeros(959, np.int16),
        np.zeros(0, np.int16),
        np.zeros((1, 960), np.int16),
        np.zeros((960, 2), np.int16),
        np.zeros(960, np.float32),
    ],
)
def test_encoder_refuses_other_shapes(pcm):
    with pytest.raises(OpusError, match="a frame is int16"):
        OpusEncoder().encode(pcm)


def test_encoder_takes_a_strided_view():
    pcm = np.repeat(SPEECH[:960], 2)[::2]
    assert OpusEncoder().encode(pcm) == OpusEncoder().encode(SPEECH[:960])


@pytest.mark.parametrize(
    "options",
    [
        {"frame_ms": 10},
        {"bitrate": 0},
        {"complexity": 11},
        {"expected_loss_percent": 101},
    ],
)
def test_encoder_refuses_values_out_of_range(options):
    with pytest.raises(OpusError):
        OpusEncoder(**options)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (bytes([0 << 3]), 480),
        (bytes([3 << 3]), 2_880),
        (bytes([9 << 3]), 960),
        (bytes([13 << 3]), 960),
        (bytes([16 << 3]), 120),
        (bytes([31 << 3]), 960),
        (bytes([31 << 3 | 1]), 1_920),
        (bytes([31 << 3 | 2]), 1_920),
        (bytes([31 << 3 | 3, 6]), 5_760),
        (bytes([16 << 3 | 3, 48]), 5_760),
        (bytes([3 << 3 | 1]), 5_760),
    ],
)
def test_duration_from_the_table_of_contents(packet, samples):
    assert packet_duration(packet) == samples


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(MAX_PACKET_BYTES + 1),
        bytes([31 << 3 | 3]),
        bytes([31 << 3 | 3, 0]),
        bytes([31 << 3 | 3, 7]),
        bytes([3 << 3 | 3, 63]),
    ],
)
def test_impossible_packets(packet):
    decoder = OpusDecoder()
    for attempt in (packet_duration, decoder.decode, lambda packet: decoder.decode_fec(packet, 960)):
        with pytest.raises(OpusError):
            attempt(packet)
    good = OpusEncoder().encode(SPEECH[:960])
    assert len(decoder.decode(good)) == 960


def test_library_errors_carry_its_words():
    with pytest.raises(OpusError, match="corrupted stream"):
        OpusDecoder().decode(bytes([31 << 3 | 1, 1, 2]) + b"\x00")


GOOD = [OpusEncoder(mode=BitrateMode.VBR, frame_ms=ms).encode(SPEECH[9_600 : 9_600 + 48 * ms]) for ms in (20, 40, 60)]
DECODER = OpusDecoder()


@given(
    st.one_of(
        st.binary(max_size=MAX_PACKET_BYTES + 10),
        st.tuples(st.sampled_from(GOOD), st.integers(0, 200), st.binary(max_size=4)).map(
            lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
        ),
        st.tuples(st.sampled_from(GOOD), st.integers(0, 200)).map(lambda parts: parts[0][: parts[1]]),
    ),
    st.booleans(),
)
def test_any_packet_gives_samples_or_the_typed_error(packet, fec):
    try:
        pcm = DECODER.decode_fec(packet, 960) if fec else DECODER.decode(packet)
    except OpusError:
        pass
    else:
        assert pcm.dtype == np.int16
        assert len(pcm) == 960 if fec else len(pcm) == packet_duration(packet) <= MAX_PACKET_SAMPLES
    assert packet_has_fec(packet) in (True, False)
    assert len(DECODER.decode(GOOD[0])) == 960


def test_search_is_restored_after_binding():
    search = ctypes.util.find_library
    libopus.load()
    assert ctypes.util.find_library is search


@pytest.fixture
def unbound(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "opuslib"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("unbound")
def test_other_searches_pass_while_binding(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: asked.append(name))
    importer = libopus.importlib.import_module

    def importing(name):
        ctypes.util.find_library("something else")
        return importer(name)

    monkeypatch.setattr(libopus.importlib, "import_module", importing)
    libopus.load()
    assert "something else" in asked


def test_system_library_is_used_where_the_wheel_has_none(monkeypatch, tmp_path):
    path = next(libopus.candidates())
    (tmp_path / "av.libs").mkdir()
    (tmp_path / "av.libs" / "libopus-broken.so").write_bytes(b"not a library")
    monkeypatch.setattr(
        libopus.importlib.util, "find_spec", lambda _: libopus.importlib.util.spec_from_loader("x", None)
    )
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: path)
    assert list(libopus.candidates()) == [path]
    spec = libopus.importlib.util.spec_from_loader("av", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "av")]
    monkeypatch.setattr(libopus.importlib.util, "find_spec", lambda _: spec)
    assert list(libopus.candidates()) == [str(tmp_path / "av.libs" / "libopus-broken.so"), path]
    assert libopus.load().library


def test_no_library_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(libopus.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr(opus, "_LOADED", opus._load())
    for attempt in (OpusEncoder, OpusDecoder, lambda: packet_has_fec(b"x")):
        with pytest.raises(OpusUnavailable, match="pip install av") as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("unbound")
def test_no_binding_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "opuslib", None)
    search = ctypes.util.find_library
    with pytest.raises(OpusUnavailable, match="pip install opuslib"):
        libopus.load()
    assert ctypes.util.find_library is search


def test_a_decoder_goes_back_to_a_state():
    encoder, decoder = OpusEncoder(), OpusDecoder()
    first, second, third = (encoder.encode(sine(f, 960)) for f in (300.0, 440.0, 700.0))
    decoder.decode(first)
    state = decoder.save()
    expected = [decoder.decode(second), decoder.decode(third)]
    decoder.conceal(960)
    decoder.restore(state)
    assert np.array_equal([decoder.decode(second), decoder.decode(third)], expected)
