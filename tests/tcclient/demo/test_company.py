"""What those send who keep a visitor company."""

import itertools
import wave
from pathlib import Path

import numpy as np
import pytest

from tcclient.capture import CLIP, SPEECH
from tcclient.capture.reader import open_audio
from tcclient.demo.company import BLINK, HEIGHT, MOUTHS, PIECE, TURN_LIMIT, WIDTH, Face, company, in_turn, mouth
from tcclient.demo.plan import Part
from tcclient.sources import AudioSource, VideoSource


def part(audio: Path | str = "", video: Path | str = "", *, drawn: bool = True) -> Part:
    return Part("", "agency01", "", "", "", "", 0.0, str(audio), str(video), turn=1, turns=2, drawn=drawn)


def test_talkers_speak_one_after_the_other_without_end() -> None:
    speech = [np.full(PIECE, number, np.int16) for number in (1, 2)]
    heard = [[int(piece[0]) for piece in itertools.islice(in_turn(speech, turn, 3), 9)] for turn in range(3)]
    assert heard == [
        [1, 2, 0, 0, 0, 0, 1, 2, 0],
        [0, 0, 1, 2, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 2, 0, 0, 0],
    ]


def test_a_mouth_opens_with_the_sound() -> None:
    pieces = [np.full(PIECE, level, np.int16) for level in (0, 900, 1100, 3000, 32_767, -32_768)]
    assert mouth(pieces) == [0, 0, 1, MOUTHS - 1, MOUTHS - 1, MOUTHS - 1]


def test_a_face_speaks_and_blinks() -> None:
    face = Face(0)
    shown = list(itertools.islice(face.speaking([0] * 10 + [3] * 10), 12))  # 15 pictures for 50 pieces of sound
    assert shown[0].shape == (HEIGHT, WIDTH, 3)
    expected = [(0, True)] * BLINK + [(0, False), (3, False), (3, False), (3, False), (0, False)]
    # Pieces 0, 3, 6, 10, 13, 16, 20.
    for picture, (opening, blinks) in zip(shown, expected, strict=False):
        assert np.array_equal(picture, face.picture(opening, blinks))
    assert len({face.picture(opening, blinks).tobytes() for opening in range(MOUTHS) for blinks in (False, True)}) == 8
    assert not np.array_equal(face.picture(0), Face(1).picture(0))


def test_sound_and_face_of_a_talker_are_in_step() -> None:
    audio, video = company(part(SPEECH, CLIP))
    assert isinstance(audio, AudioSource)
    assert isinstance(video, VideoSource)
    turn = sum(1 for _ in open_audio(SPEECH))
    pieces = list(itertools.islice(audio.frames, 2 * turn))
    spoken = [int(np.abs(piece).max()) > 3000 for piece in pieces]
    closed = Face(1).picture(0)
    pictures = list(itertools.islice(video.frames, 2 * turn * 15 // 50))
    moved = [not np.array_equal(picture[HEIGHT // 2 :], closed[HEIGHT // 2 :]) for picture in pictures]
    assert not any(spoken[:turn])
    assert not any(moved[BLINK : turn * 15 // 50])
    assert spoken.index(True) / 50 == pytest.approx(moved.index(True) / 15, abs=0.2)


def test_a_turn_of_a_long_file_ends(tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.full(8000 * (TURN_LIMIT + 10), 9000, np.int16).tobytes())
    (sound,) = company(part(audio=long))
    loud = [bool(piece.any()) for piece in itertools.islice(sound.frames, 4 * TURN_LIMIT * 50)]
    assert [next(same) for _, same in itertools.groupby(loud)] == [False, True, False, True]
    assert sum(loud) == 2 * TURN_LIMIT * 50


def test_what_a_participant_shows() -> None:
    assert company(part()) == []
    (clip,) = company(part(video=CLIP, drawn=False))
    assert isinstance(clip, VideoSource)
    assert (clip.width, clip.height) == (320, 180)
