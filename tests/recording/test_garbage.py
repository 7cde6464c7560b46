"""What a served recording_svc does while something answers in consent_svc's place that is no consent_svc."""

import asyncio
from pathlib import Path

import pytest
from assent.consent.v1 import consent_pb2
from assent.recording.v1 import recording_service_pb2 as rpc
from assent.recording.v1.recording_service_pb2_grpc import RecordingServiceStub

from chassis.channel import Tls, connect
from chassis.database import Database
from chassis.errors import FailedPrecondition
from deploy.local import Moto, Nats
from recording_svc.consent import MALFORMED, UNREACHABLE
from recording_svc.domain.recordings import Recording, State
from recording_svc.store.postgres import PostgresRecordings
from tests.eventually import eventually
from tests.recording.front import Babbler, Front
from tests.recording.neighbours import DELETE, KEEP, NOBODY_REFUSED, SOMEBODY_REFUSED, Neighbours
from tests.recording.served import serving, variables
from tests.recording.surroundings import Cloud

REFUSED, AGREED = "refused-2026-11-22T11:20:00Z.mp4", "agreed-2026-11-22T11:20:00Z.mp4"
SOON = 5.0
"""Seconds within which who asks for audio is answered, and all is settled once consent_svc is back."""
CONTRADICTIONS = {
    "deletes though nobody refused": consent_pb2.Verdict(decision=DELETE, reason=NOBODY_REFUSED),
    "deletes for a refusal that it does not name": consent_pb2.Verdict(decision=DELETE, reason=SOMEBODY_REFUSED),
    "keeps what somebody refused": consent_pb2.Verdict(decision=KEEP, reason=SOMEBODY_REFUSED),
}


BABBLE = {"what is no protobuf": b"\xff\xff\xff\xff", "nothing": b""}


class Two:
    """A recording that somebody refused, and one that all agreed to, as they are stored."""

    def __init__(self, database: Database, cloud: Cloud, neighbours: Neighbours) -> None:
        self._store = PostgresRecordings(database, database)
        self._cloud = cloud
        neighbours.answers.meetings = {REFUSED: ["meeting-refused"], AGREED: ["meeting-agreed"]}
        neighbours.refuse("meeting-refused")
        for key in (REFUSED, AGREED):
            cloud.put(key)

    async def become(self, refused: State, agreed: State, within: float) -> None:
        """Raises TimeoutError where they have not come to these states in time."""

        async def they_are() -> bool:
            stored = await self.stored()
            return {one.object_key: one.state for one in stored} == {REFUSED: refused, AGREED: agreed}

        await eventually(they_are, within=within)

    async def stored(self) -> list[Recording]:
        """Those that were taken in."""
        return await self._store.of_versions(self._cloud.recordings, {REFUSED, AGREED})

    def lying(self) -> list[str]:
        """The keys in the bucket."""
        return [key for _, key in self._cloud.lying(self._cloud.recordings)]


async def withheld(recording: Recording, address: str, tls: Tls) -> str:
    """Why its audio is not handed out, for whoever asks; to be said soon."""
    request = rpc.AuthorizeAudioRequest(recording_id=recording.recording_id)
    async with connect(address, tls) as channel, asyncio.timeout(SOON):
        with pytest.raises(FailedPrecondition) as refused:
            await RecordingServiceStub(channel).AuthorizeAudio(request)
    return refused.value.reason


@pytest.mark.parametrize("what", [*BABBLE, *CONTRADICTIONS, Front.CLOSES, Front.KEEPS_SILENT])
async def test_r6_d2_whatever_answers_in_place_of_consent_nothing_is_erased_or_handed_out(
    what: str, tmp_path: Path, tls: Tls, cloud: Cloud, moto: Moto, neighbours: Neighbours, nats: Nats, database_url: str
) -> None:
    given = variables(tmp_path, tls, cloud, moto, neighbours.address, nats, database_url)
    neighbours.answers.verdict = CONTRADICTIONS.get(what)
    async with Babbler(tls, BABBLE.get(what, b"")) as babbler, Front() as front, Database(database_url) as database:
        two = Two(database, cloud, neighbours)
        front.become(babbler.address if what in BABBLE else neighbours.address if what in CONTRADICTIONS else what)
        # Sweeps as in production: it is not a short interval that brings it back in time.
        given |= {"ASSENT_CONSENT_ADDRESS": front.address, "ASSENT_SWEEP_SECONDS": "30"}
        async with serving(given):
            await two.become(State.UNDECIDED, State.UNDECIDED, within=90)
            for recording in await two.stored():
                assert recording.reason == (UNREACHABLE if what in (Front.CLOSES, Front.KEEPS_SILENT) else MALFORMED)
                assert await withheld(recording, given["ASSENT_RECORDING_LISTEN"], tls) == "CONSENT_UNDECIDED"
            assert two.lying() == [AGREED, REFUSED]
            neighbours.answers.verdict = None
            front.become(neighbours.address)
            await two.become(State.ERASED, State.KEPT, within=SOON)
            assert two.lying() == [AGREED]
