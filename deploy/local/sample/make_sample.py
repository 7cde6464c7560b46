"""Makes `meeting.mp4` and `meeting.txt` with flite, Debian's speech synthesiser. They are committed: run it seldom.

`apt-get install flite`, then `python -m deploy.local.sample.make_sample`.
"""

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from deploy.local.sample import MEETING, WORDS

SPOKEN_RATE = 16_000  # Hz, what flite's voices have
AUDIO_RATE = 48_000  # Hz, what a call has
PICTURES = 10  # a second
WIDTH, HEIGHT = 320, 180
PAUSE = 0.45  # seconds between two lines

Samples = NDArray[np.int16]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Speaker:
    """Somebody in the meeting: the name shown, the voice heard, the colour behind the name."""

    name: str
    voice: str
    colour: tuple[int, int, int]


BEN = Speaker("BEN", "rms", (38, 70, 110))
ANA = Speaker("ANA", "slt", (110, 52, 74))

# Sentences that pocketsphinx's US English model knows well; names and numbers would test the model, not us.
DIALOGUE = [
    (BEN, "Welcome to the meeting. We have to talk about the new project."),
    (ANA, "The people in the office want to start the work in September."),
    (BEN, "That is a good plan, but we need more time to find the right company."),
    (ANA, "I think we can do it if they give us an answer this week."),
    (BEN, "Then I will write a letter to the president of the company."),
    (ANA, "Please send me a copy of the letter before the end of the day."),
    (BEN, "Yes, of course. Is there anything else that you want to say?"),
    (ANA, "That is all from me. I will see you again on Monday morning."),
]

LETTERS = {
    "A": ("01110", "10001", "10001", "11111", "10001", "10001", "10001"),
    "B": ("11110", "10001", "10001", "11110", "10001", "10001", "11110"),
    "E": ("11111", "10000", "10000", "11110", "10000", "10000", "11111"),
    "N": ("10001", "11001", "11001", "10101", "10011", "10011", "10001"),
}


def speak(voice: str, text: str) -> Samples:
    """One sentence as 16 kHz mono samples."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def picture(speaker: Speaker) -> Picture:
    """A frame in the speaker's colour with the name in the middle."""
    frame = np.full((HEIGHT, WIDTH, 3), speaker.colour, np.uint8)
    size, left, top = 8, (WIDTH - len(speaker.name) * 48 + 8) // 2, (HEIGHT - 56) // 2
    for place, letter in enumerate(speaker.name):
        dots = np.array([[int(dot) for dot in row] for row in LETTERS[letter]], bool)
        spread = dots.repeat(size, axis=0).repeat(size, axis=1)
        x = left + place * 6 * size
        frame[top : top + 7 * size, x : x + 5 * size][spread] = 235
    return frame


def write(path: Path, sound: Samples, pictures: list[Picture]) -> None:
    """Encode AAC and H.264 into one MP4."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=PICTURES, options={"crf": "30", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        audio.bit_rate = 96_000
        for number, pixels in enumerate(pictures):
            image = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            image.pts, image.time_base = number, Fraction(1, PICTURES)
            container.mux(video.encode(image))
        container.mux(video.encode(None))
        spoken = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
        spoken.sample_rate, spoken.pts = SPOKEN_RATE, 0
        resampler = av.AudioResampler("fltp", "mono", AUDIO_RATE, frame_size=audio.codec_context.frame_size or 1024)
        for frame in [*resampler.resample(spoken), *resampler.resample(None)]:
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def make() -> None:
    """Speak the dialogue and write both files."""
    silence = np.zeros(int(PAUSE * SPOKEN_RATE), np.int16)
    pieces: list[Samples] = [silence]
    pictures: list[Picture] = []
    for speaker, text in DIALOGUE:
        pieces += [speak(speaker.voice, text), silence]
        seconds = sum(len(piece) for piece in pieces) / SPOKEN_RATE
        pictures += [picture(speaker)] * (round(seconds * PICTURES) - len(pictures))
    write(MEETING, np.concatenate(pieces), pictures)
    WORDS.write_text("\n".join(text for _, text in DIALOGUE) + "\n")


if __name__ == "__main__":
    make()
