"""Makes `talk.opus` from `talk.txt` with flite, Debian's speech synthesiser. Both are committed: run it seldom.

`apt-get install flite`, then `python -m bench.speech.make_speech`; with `--wav FILE` it also writes what was encoded.
"""

import random
import sys
import wave
from pathlib import Path

import av
import numpy as np

from bench.speech import TALK, WORDS
from deploy.local.sample.make_sample import SPOKEN_RATE, Samples, speak

VOICES = ("rms", "slt")
BIT_RATE = 32_000
SHORTEST, LONGEST = 0.1, 1.2
"""Seconds between two turns: now and then nearly none, as people talk."""


def spoken(turns: list[str]) -> Samples:
    """All turns, one voice after the other, with pauses of every length between them."""
    draw = random.Random(0)
    pieces: list[Samples] = []
    for number, turn in enumerate(turns):
        pause = np.zeros(int(draw.uniform(SHORTEST, LONGEST) * SPOKEN_RATE), np.int16)
        pieces += [pause, speak(VOICES[number % len(VOICES)], turn)]
    return np.concatenate([*pieces, np.zeros(SPOKEN_RATE, np.int16)])


def write_opus(path: Path, sound: Samples) -> None:
    """Encode as people's calls are encoded."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=SPOKEN_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SPOKEN_RATE, 0
        size = stream.codec_context.frame_size or SPOKEN_RATE // 50
        resampler = av.AudioResampler("s16", "mono", SPOKEN_RATE, frame_size=size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def write_wav(path: Path, sound: Samples) -> None:
    """The same, as it was before."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SPOKEN_RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())


if __name__ == "__main__":
    talk = spoken(WORDS.read_text().splitlines())
    write_opus(TALK, talk)
    if "--wav" in sys.argv:
        write_wav(Path(sys.argv[sys.argv.index("--wav") + 1]), talk)
