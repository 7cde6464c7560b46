"""What callers ask RecordingService for, and how it refuses."""

from collections.abc import Awaitable

import pytest
from assent.recording.v1 import recording_pb2 as pb
from assent.recording.v1 import recording_service_pb2 as rpc

from chassis.errors import ServiceError
from tests.recording.world import World


def mp3(world: World, recording_id: str, key: str = "x.mp3") -> rpc.RegisterCopyRequest:
    return rpc.RegisterCopyRequest(recording_id=recording_id, kind=pb.COPY_KIND_MP3, bucket=world.cloud.audio, key=key)


def scratch(recording_id: str) -> rpc.RegisterCopyRequest:
    return rpc.RegisterCopyRequest(
        recording_id=recording_id, kind=pb.COPY_KIND_SCRATCH, bucket="instance-0", key="audio.wav"
    )


async def refused(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as raised:
        await call
    return raised.value.reason
