"""Says in protobuf what the domain says in Python: transcripts, their numbered events, news for other services."""

from dataclasses import replace

from assent.recording.v1 import recording_pb2
from assent.transcript.v1 import transcript_events_pb2, transcript_pb2, transcript_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from transcript_svc.domain import Hit, Job, Match, Outcome, Recording, Segment, Status, Transcript

Event = transcript_pb2.TranscriptEvent

STATUSES = {
    Status.QUEUED: transcript_pb2.TRANSCRIPT_STATUS_QUEUED,
    Status.PROCESSING: transcript_pb2.TRANSCRIPT_STATUS_PROCESSING,
    Status.COMPLETED: transcript_pb2.TRANSCRIPT_STATUS_COMPLETED,
    Status.FAILED: transcript_pb2.TRANSCRIPT_STATUS_FAILED,
    Status.NO_AUDIO: transcript_pb2.TRANSCRIPT_STATUS_NO_AUDIO,
}

# Their text is void once the work is begun anew.
OF_ONE_ATTEMPT = ("progress", "segment", "duration_ms", "waveform")


def recording_from_proto(recording: recording_pb2.Recording) -> Recording:
    """What we need to know of a recording."""
    return Recording(
        id=recording.recording_id,
        bucket=recording.bucket,
        object_key=recording.object_key,
        version_id=recording.version_id,
        meeting_ids=tuple(recording.meeting_ids),
        owner_id=recording.owner_id,
    )


def transcript_to_proto(transcript: Transcript) -> transcript_pb2.Transcript:
    """A transcript with the segments that it has in hand."""
    return transcript_pb2.Transcript(
        transcript_id=transcript.id,
        recording_id=transcript.recording_id,
        meeting_ids=transcript.meeting_ids,
        owner_id=transcript.owner_id,
        status=STATUSES[transcript.status],
        duration_ms=transcript.duration_ms,
        language=transcript.language,
        title=transcript.title,
        reviewed=transcript.reviewed,
        locked=transcript.locked,
        audio_deleted=transcript.audio_deleted,
        segments=(segment_to_proto(segment, index) for index, segment in enumerate(transcript.segments)),
        created_at=_timestamp(transcript.created_at.timestamp()),
        failure=transcript.failure,
        finished_at=_timestamp(transcript.finished_at.timestamp()) if transcript.finished_at else None,
    )


def segment_to_proto(segment: Segment, index: int | None = None) -> transcript_pb2.Segment:
    """A segment with its words; its place is known once the transcript is completed."""
    words = (transcript_pb2.Word(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms) for word in segment.words)
    return transcript_pb2.Segment(
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        text=segment.text,
        words=words,
        original_text=segment.original or "",
        edited=segment.original is not None,
        index=index,
        speaker=segment.speaker,
    )


def status_changed(status: Status) -> Event:
    """How far the transcript is."""
    return Event(status=STATUSES[status])


def progressed(percent: float, seconds_left: float) -> Event:
    """How far the work is."""
    return Event(progress=transcript_pb2.Progress(percent=round(percent, 1), seconds_left=round(seconds_left, 1)))


def heard(segment: Segment) -> Event:
    """Something that was said."""
    return Event(segment=segment_to_proto(segment))


def reworded(segment: Segment, index: int) -> Event:
    """The segment in that place, as it reads now."""
    return Event(segment=segment_to_proto(segment, index))


def kind_of(event: Event) -> str:
    """What the event is about. Edits of different segments are of different kinds."""
    kind = event.WhichOneof("event") or ""
    return f"edit {event.segment.index}" if kind == "segment" and event.segment.HasField("index") else kind


def replaces_earlier(event: Event) -> bool:
    """Of its kind only the latest matters."""
    kind = kind_of(event)
    return kind == "progress" or kind.startswith("edit ")


def lasted(duration_ms: int) -> Event:
    """How long the audio turned out to be."""
    return Event(duration_ms=duration_ms)


def drawn() -> Event:
    """There is a waveform. Its peaks are not told: they are of the sound, to be had only while that may be heard."""
    return Event(waveform=transcript_pb2.Waveform())


def audio_deleted() -> Event:
    """The audio is gone, for good."""
    return Event(audio_deleted=True)


def started(job: Job) -> transcript_events_pb2.TranscriptStarted:
    """News: work has begun."""
    return transcript_events_pb2.TranscriptStarted(transcript_id=job.transcript_id, recording_id=job.recording_id)


def completed(job: Job, outcome: Outcome) -> transcript_events_pb2.TranscriptCompleted:
    """News: the transcript is committed."""
    return transcript_events_pb2.TranscriptCompleted(
        transcript_id=job.transcript_id, recording_id=job.recording_id, duration_ms=outcome.duration_ms
    )


def failed(job: Job, reason: str) -> transcript_events_pb2.TranscriptFailed:
    """News: there will be no transcript."""
    return transcript_events_pb2.TranscriptFailed(
        transcript_id=job.transcript_id, recording_id=job.recording_id, reason=reason
    )


def appended(event: Event) -> transcript_events_pb2.TranscriptEventAppended:
    """News for whoever watches the transcript live."""
    return transcript_events_pb2.TranscriptEventAppended(event=event)


def hit_to_proto(hit: Hit) -> transcript_service_pb2.Hit:
    """A transcript with what was found in it."""
    return transcript_service_pb2.Hit(
        transcript=transcript_to_proto(hit.transcript), matches=map(_match_to_proto, hit.matches)
    )


def _match_to_proto(match: Match) -> transcript_service_pb2.Match:
    marks = (transcript_service_pb2.Mark(start=start, end=end) for start, end in match.marks)
    segment = segment_to_proto(replace(match.segment, words=()), match.index)
    return transcript_service_pb2.Match(segment=segment, marks=marks)


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=round(seconds % 1 * 1e6) * 1000)
