"""Hears words with faster-whisper, in a child process that loads the model once and downloads nothing."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from transcript_svc.cutting import Span
from transcript_svc.recognition import placed
from transcript_svc.speech import samples
from transcript_svc.workers import Message, serve

FULL_SCALE = 32_768
# What a folder must hold: without its tokenizer, faster-whisper would fetch one.
WHOLE = ("model.bin", "config.json", "tokenizer.json")


class Unloadable(Exception):
    """There is no such model here, or this machine cannot run it."""


def do(request: Message) -> Iterator[Message]:
    """One request of `transcript_svc.recognisers`. Raises Unloadable."""
    model = load(**request["model"])
    if "recognise" in request:
        chunk = Span(request["start_ms"], request["end_ms"])
        yield recognise(model, request["recognise"], chunk, request["language"])
    else:
        yield {"loaded": True}


def recognise(model: Any, path: str, chunk: Span, language: str) -> Message:
    """The words of one chunk, each with its times in the whole audio, and their language: as given, or as found."""
    heard = np.frombuffer(samples(path, chunk), np.int16).astype(np.float32) / FULL_SCALE
    # A chunk is cut at silences already, and what another one held is no hint: chunks are heard in any order.
    segments, about = model.transcribe(
        heard, language=language or None, word_timestamps=True, condition_on_previous_text=False
    )
    words = placed(((word.word, word.start, word.end) for segment in segments for word in segment.words or ()), chunk)
    return {"words": [[word.text, word.start_ms, word.end_ms] for word in words], "language": about.language}


@cache
def load(name: str, folder: str | None, device: str, compute_type: str, threads: int) -> Any:
    """A faster_whisper.WhisperModel: of a folder, or by the name under which `folder` (a cache) has it."""
    missing = [part for part in WHOLE if Path(name).is_dir() and not (Path(name) / part).is_file()]
    if missing:
        raise Unloadable(f"{name} is no whole model: {', '.join(missing)} is missing")
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when it is imported
    import faster_whisper

    try:
        return faster_whisper.WhisperModel(
            name,
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            download_root=folder,
            local_files_only=True,
        )
    except Exception as error:  # whatever it is, it keeps us from starting, and the operator must read it
        raise Unloadable(f"{type(error).__name__}: {error}") from error


if __name__ == "__main__":
    serve(do, Unloadable, memory_limit=None)
