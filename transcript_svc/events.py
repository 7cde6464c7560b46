"""What this service does about the events of others. They only wake it: recording_svc is asked before it acts."""

from assent.recording.v1 import recording_events_pb2

from chassis.bus import Bus, Delivery
from transcript_svc.jobs import Jobs
from transcript_svc.settlement import Settlement

CONSUMER = "transcript"


class Events:
    """Three kinds of event, all of them safe to repeat, to reorder and to forge."""

    def __init__(self, settlement: Settlement, jobs: Jobs) -> None:
        self._settlement = settlement
        self._jobs = jobs

    def consume_from(self, bus: Bus) -> None:
        """Take part in the work from now on."""
        bus.consume(recording_events_pb2.RecordingDiscovered, consumer=CONSUMER, handle=self.recording_discovered)
        bus.consume(recording_events_pb2.RecordingMatched, consumer=CONSUMER, handle=self.recording_matched)
        bus.consume(recording_events_pb2.AudioDeleted, consumer=CONSUMER, handle=self.audio_deleted)

    async def recording_discovered(self, delivery: Delivery[recording_events_pb2.RecordingDiscovered]) -> None:
        """There may be something to transcribe."""
        await self._jobs.announced(delivery.message.recording_id)

    async def recording_matched(self, delivery: Delivery[recording_events_pb2.RecordingMatched]) -> None:
        """The recording's meetings may have become known."""
        await self._settlement.settle(delivery.message.recording_id)

    async def audio_deleted(self, delivery: Delivery[recording_events_pb2.AudioDeleted]) -> None:
        """The recording's audio may be gone."""
        await self._settlement.settle(delivery.message.recording_id)
