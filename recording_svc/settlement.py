"""Decides what happens to a recording's audio, and carries it out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from google.protobuf.message import Message

from chassis.errors import NotFound, ServiceError, Unavailable
from recording_svc.certificate import Proof, Signer
from recording_svc.consent import Consent
from recording_svc.domain.recordings import Copy, CopyKind, CopyState, Recording, Stage, StaleError, State
from recording_svc.domain.settling import Opinion, Step, Times, bound, judge, move
from recording_svc.erasure import OBJECT_LOCKED, Blocked, Erasure, Gone, Pending
from recording_svc.events import changes, discovered
from recording_svc.remnants import Remnant, Sight, places_of
from recording_svc.store import Recordings
from recording_svc.transcripts import Transcripts

log = structlog.get_logger()

_TRIES = 5
_IN_BUCKETS = (CopyKind.ORIGINAL, CopyKind.MULTIPART, CopyKind.MP3)


class Settlement:
    """Brings recordings to where the transcript and the answers say they belong."""

    def __init__(
        self,
        recordings: Recordings,
        consent: Consent,
        transcripts: Transcripts,
        erasure: Erasure,
        signer: Signer,
        times: Times,
        now: Callable[[], datetime],
    ) -> None:
        self._recordings = recordings
        self._consent = consent
        self._transcripts = transcripts
        self._erasure = erasure
        self._signer = signer
        self._times = times
        self._now = now

    async def settle(self, recording_id: str) -> Recording:
        """Move one recording as far as it can go. Safe to call any number of times, from any number of replicas.

        Raises NotFound (RECORDING_NOT_FOUND), and Unavailable (BEING_SETTLED) while somebody else is at it:
        what they have read may be older than what woke us, so the caller has to come again.
        """
        async with self._recordings.exclusively(recording_id) as ours:
            if not ours:
                raise Unavailable(f"recording {recording_id} is being settled: try again", reason="BEING_SETTLED")
            return await self._retried(recording_id)

    async def request_erasure(self, recording_id: str) -> Recording:
        """Note that the owner wants the audio gone, whatever the verdict, and settle."""
        for _ in range(_TRIES):
            recording = await self._known(recording_id)
            if recording.erase_requested_at or recording.state is State.ERASED:
                break
            try:
                await self._recordings.save(
                    replace(recording, erase_requested_at=self._now(), next_look_at=self._now())
                )
                log.info("erasure_requested", recording_id=recording_id)
                break
            except StaleError:
                continue
        return await self.settle(recording_id)

    async def _retried(self, recording_id: str) -> Recording:
        for _ in range(_TRIES):
            try:
                return await self._settle(await self._known(recording_id))
            except StaleError:
                log.info("recording_changed_meanwhile", recording_id=recording_id)
        raise Unavailable(f"recording {recording_id} keeps changing: try again", reason="BEING_SETTLED")

    async def _known(self, recording_id: str) -> Recording:
        recording = await self._recordings.get(recording_id)
        if recording is None:
            raise NotFound(f"no recording {recording_id}: list them by meeting", reason="RECORDING_NOT_FOUND")
        return recording

    async def _settle(self, recording: Recording) -> Recording:
        if recording.state is State.ERASED:
            return await self._look_back(recording)
        if recording.state in (State.ERASING, State.BLOCKED) and recording.removal_began:
            return await self._carry_out(recording)
        learned = await self._learn_transcript(await with_bounds(self._recordings, recording))
        opinion = await self._ask(learned)
        if opinion.match is not None:
            learned = replace(learned, match=opinion.match)
        decided = await self._save(recording, move(learned, judge(learned, opinion, self._now(), self._times)))
        if decided.state is State.ERASING:
            return await self._carry_out(decided)
        await self._call_again(recording, decided)
        return decided

    async def _learn_transcript(self, recording: Recording) -> Recording:
        if recording.transcription.stage is Stage.COMMITTED:
            return recording
        try:
            said = await self._transcripts.of(recording.recording_id)
        except ServiceError as error:
            # Without its word there is no transcript: the original stays.
            log.warning("transcripts_silent", recording_id=recording.recording_id, error=str(error))
            return recording
        if said.stage is Stage.FAILED and said.finished_at is None:
            said = replace(said, finished_at=recording.transcription.finished_at or self._now())
        return replace(recording, transcription=said)

    async def _ask(self, recording: Recording) -> Opinion:
        duration = recording.transcription.duration_ms
        if recording.transcription.stage in (Stage.NONE, Stage.UNDERWAY):
            return await self._consent.match(recording.object_key, duration, recording.match)
        return await self._consent.ask(recording.object_key, duration, recording.match)

    async def _call_again(self, before: Recording, after: Recording) -> None:
        """Announce a recording anew whose transcript nobody began since the last time."""
        if before.state is after.state is State.DISCOVERED and after.looks > 1:
            log.info("announced_again", recording_id=after.recording_id, looks=after.looks)
            await self._recordings.announce(discovered(after))

    async def _carry_out(self, recording: Recording) -> Recording:
        """Erase a recording whose grounds are committed, and certify it once nothing is found."""
        copies = await self._recordings.copies(recording.recording_id)

        async def note(remnants: Sequence[Remnant]) -> None:
            nonlocal recording
            recording = await self._recordings.note_found(recording, remnants, self._now())

        outcome = await self._erasure.erase(places_of(recording, copies), note)
        if isinstance(outcome, Gone):
            return await self._conclude(recording, outcome.sights)
        return await self._set_back(recording, outcome)

    async def _conclude(self, recording: Recording, sights: Sequence[Sight]) -> Recording:
        # Read again: uploads that were found are in the inventory now, and scratch may have been wiped.
        copies = await self._recordings.copies(recording.recording_id)
        gone = dict.fromkeys(_IN_BUCKETS, CopyState.GONE)
        if any(_is_held(copy) for copy in copies):
            step = Step(State.ERASING, "SCRATCH_HELD", self._now() + self._times.sweep)
            return await self._save(recording, move(recording, step), copies=gone)
        return await self._certify(recording, copies, sights, gone)

    async def _certify(
        self,
        recording: Recording,
        copies: Sequence[Copy],
        sights: Sequence[Sight],
        gone: Mapping[CopyKind, CopyState],
    ) -> Recording:
        if recording.grounds is None:
            raise AssertionError(f"{recording.recording_id} is being erased without grounds")
        now, removed = self._now(), await self._recordings.removed(recording.recording_id)
        proof = Proof(recording, recording.grounds, removed, copies, sights, now)
        moved = move(recording, Step(State.ERASED, recording.grounds.reason, None))
        erased = replace(moved, erased_at=now, certificate=self._signer.sign(proof))
        saved = await self._save(recording, erased, copies=gone)
        log.info(
            "audio_deleted", recording_id=saved.recording_id, reason=saved.reason, places=len(sights),
            removed=len(removed), bytes=sum(one.size_bytes for one in removed),
        )  # fmt: skip
        return saved

    async def _set_back(self, recording: Recording, outcome: Blocked | Pending) -> Recording:
        now, times = self._now(), self._times
        if isinstance(outcome, Pending):
            wait = times.backoff(times.retry, recording.looks, times.sweep)
            return await self._save(recording, move(recording, Step(State.ERASING, outcome.reason, now + wait)))
        here = (recording.bucket, recording.object_key) in outcome.buckets_and_keys
        blocked = {CopyKind.ORIGINAL: CopyState.BLOCKED if here else CopyState.PRESENT}
        log.error("erasure_blocked", recording_id=recording.recording_id, reason=outcome.reason,
                  until=outcome.until and outcome.until.isoformat(),
                  places=sorted(f"{bucket}/{key}" for bucket, key in outcome.buckets_and_keys))  # fmt: skip
        again_at = times.after_block(now, outcome.until)
        # A legal hold has no end, whatever other versions' locks have.
        until = outcome.until if outcome.reason == OBJECT_LOCKED else None
        step = Step(State.BLOCKED, outcome.reason, again_at, blocked_until=until)
        began = recording.removal_began and not await self._is_whole(recording, outcome.left)
        return await self._save(recording, replace(move(recording, step), removal_began=began), copies=blocked)

    async def _is_whole(self, recording: Recording, left: Iterable[Remnant]) -> bool:
        """Whether everything that was to be removed was refused and is there: a grant may still keep it."""
        there = {_identity(one) for one in left}
        return {_identity(one) for one in await self._recordings.removed(recording.recording_id)} <= there

    async def _look_back(self, recording: Recording) -> Recording:
        """See whether erased audio is still gone; where somebody put it again, erase it again."""
        copies = await self._recordings.copies(recording.recording_id)
        sights = await self._erasure.look(places_of(recording, copies))
        left = [one for seen in sights for one in seen.remnants]
        if not left:
            done = recording.next_look_at is None
            return recording if done else await self._save(recording, replace(recording, next_look_at=None))
        log.warning("audio_came_back", recording_id=recording.recording_id, found=len(left))
        moved = move(recording, Step(State.ERASING, "CAME_BACK", self._now()))
        return await self._carry_out(await self._save(recording, replace(moved, erased_at=None, certificate="")))

    async def _save(
        self, before: Recording, after: Recording, *, copies: Mapping[CopyKind, CopyState] | None = None
    ) -> Recording:
        told: list[Message] = changes(before, after)
        moved = (before.state, before.reason) != (after.state, after.reason)
        after = replace(after, state_since=self._now()) if moved else after
        saved = await self._recordings.save(after, *told, copies=copies)
        if moved:
            log.info(
                "recording_settled", recording_id=after.recording_id, state=after.state.value, reason=after.reason,
                before=before.state.value, meeting_ids=list(after.match.meeting_ids),
            )  # fmt: skip
        return saved


async def with_bounds(recordings: Recordings, recording: Recording) -> Recording:
    """The recording, knowing whether what came before it under the same key was erased."""
    return bound(recording, await recordings.of_versions(recording.bucket, [recording.object_key]))


def _identity(one: Remnant) -> tuple[str, ...]:
    return one.kind, one.bucket, one.key, one.version_id


def _is_held(copy: Copy) -> bool:
    return copy.kind is CopyKind.SCRATCH and copy.state is not CopyState.GONE
