"""What the store and SQS know, as Prometheus is told it."""

import math
from typing import Any

from botocore.exceptions import ClientError

from chassis.errors import Unavailable
from recording_svc.domain.recordings import State
from recording_svc.metrics import Figures, Metrics
from recording_svc.operator.observation import Observation
from recording_svc.store import Recordings
from tests.recording.memory import MemoryRecordings
from tests.recording.memory_desk import MemoryDesk
from tests.recording.surroundings import Clock, Cloud
from tests.recording.test_metrics import told
from tests.recording.test_operator import GROUNDS, desk, in_state

__all__ = ["desk"]


class Away(MemoryDesk):
    """A store that does not answer."""

    async def figures(self) -> Figures:
        raise Unavailable("away", reason="DATABASE_UNAVAILABLE")


class Refusing:
    """SQS without the right to ask."""

    async def get_queue_attributes(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueAttributes")


async def test_tells_of_the_oldest_denial_whose_audio_may_be_there(
    recordings: Recordings,
    desk: Any,
    cloud: Cloud,
    clock: Clock,
) -> None:
    metrics = Metrics(clock)
    await in_state(recordings, "b.mp4", State.BLOCKED, "OBJECT_LOCKED", grounds=GROUNDS)
    clock.advance(minutes=16)
    await Observation(metrics, desk, cloud.sqs, cloud.dead_letters, 30).look_at_store()
    assert told(metrics, "oldest_denied_unverified_seconds") == 16 * 60
    assert told(metrics, "blocked") == 1
    assert told(metrics, "outbox_rows") == 1


async def test_counts_dead_letters(cloud: Cloud, clock: Clock) -> None:
    metrics = Metrics(clock)
    cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody="x")
    observation = Observation(metrics, MemoryDesk(MemoryRecordings()), cloud.sqs, cloud.dead_letters, 30)
    await observation.look_at_dead_letters()
    assert told(metrics, "dead_letters") == 1


async def test_what_cannot_be_read_is_not_known_and_stops_nothing(clock: Clock) -> None:
    metrics, refusing = Metrics(clock), Refusing()
    metrics.dead_letters.set(3)
    observation = Observation(metrics, Away(MemoryRecordings()), refusing, "queue", 30)  # type: ignore[arg-type]
    await observation.look_at_dead_letters()
    clock.advance(minutes=5)
    await observation.look_at_store()
    assert math.isnan(told(metrics, "dead_letters"))
    assert math.isnan(told(metrics, "blocked"))
    assert told(metrics, "figures_age_seconds") == 300
