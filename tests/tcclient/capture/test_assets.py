import numpy as np

from tcclient.capture import CLIP, SPEECH
from tcclient.capture.picture import read_counter
from tcclient.capture.reader import open_audio, open_video


def test_the_speech_that_is_shipped_can_be_heard() -> None:
    speech = open_audio(SPEECH)
    frames = np.stack(list(speech)).astype(float)
    assert speech.duration is not None
    assert 10 < speech.duration < 15
    level = np.sqrt((frames**2).mean(axis=1))
    assert (level > 300).mean() > 0.6
    assert (level[-20:] < 10).all()


def test_the_clip_that_is_shipped_counts_its_pictures() -> None:
    assert [read_counter(picture) for picture in open_video(CLIP)] == list(range(200))


def test_what_is_shipped_is_small() -> None:
    assert sum(path.stat().st_size for path in (SPEECH, CLIP)) < 400_000
