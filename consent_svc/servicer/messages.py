"""Proto to domain and back."""

from datetime import datetime
from typing import TypeVar

from assent.consent.v1 import consent_pb2
from assent.meeting.v1 import meeting_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from consent_svc.domain.answers import HistoryEntry, RecordedAnswer
from consent_svc.domain.meetings import Meeting
from consent_svc.domain.rooms import ConsentPolicy, RecordingTrigger, RecordingType, Room, RoomMode, RoomSettings
from consent_svc.domain.standings import Counts
from consent_svc.domain.verdict import Answer, Decision, Reason, Verdict
from consent_svc.matching import Kind

K = TypeVar("K")
V = TypeVar("V")

ANSWERS = {consent_pb2.ANSWER_GRANTED: Answer.GRANTED, consent_pb2.ANSWER_DENIED: Answer.DENIED}
RECORDING_TYPES = {
    meeting_pb2.RECORDING_TYPE_NONE: RecordingType.NONE,
    meeting_pb2.RECORDING_TYPE_LOCAL: RecordingType.LOCAL,
    meeting_pb2.RECORDING_TYPE_CLOUD: RecordingType.CLOUD,
}
RECORDING_TRIGGERS = {
    meeting_pb2.RECORDING_TRIGGER_NONE: RecordingTrigger.NONE,
    meeting_pb2.RECORDING_TRIGGER_PROMPT: RecordingTrigger.PROMPT,
    meeting_pb2.RECORDING_TRIGGER_AUTOMATIC: RecordingTrigger.AUTOMATIC,
    meeting_pb2.RECORDING_TRIGGER_AUTOMATIC_2ND_PARTICIPANT: RecordingTrigger.AUTOMATIC_2ND_PARTICIPANT,
}
ROOM_MODES = {meeting_pb2.ROOM_MODE_NORMAL: RoomMode.NORMAL, meeting_pb2.ROOM_MODE_GROUP: RoomMode.GROUP}
CONSENT_POLICIES = {
    meeting_pb2.CONSENT_POLICY_DELETE_ON_DENIAL: ConsentPolicy.DELETE_ON_DENIAL,
    meeting_pb2.CONSENT_POLICY_KEEP_IF_ALL_GRANTED: ConsentPolicy.KEEP_IF_ALL_GRANTED,
}
MATCH_KINDS = {
    Kind.RECORDER: meeting_pb2.MATCH_EVIDENCE_RECORDER,
    Kind.FINISHED_WEBHOOK: meeting_pb2.MATCH_EVIDENCE_FINISHED_WEBHOOK,
    Kind.INTERVAL: meeting_pb2.MATCH_EVIDENCE_INTERVAL,
}
DECISIONS = {
    Decision.KEEP: consent_pb2.DECISION_KEEP,
    Decision.DELETE: consent_pb2.DECISION_DELETE,
    Decision.WAIT: consent_pb2.DECISION_WAIT,
}
REASONS = {
    Reason.NOBODY_REFUSED: consent_pb2.VERDICT_REASON_NOBODY_REFUSED,
    Reason.SOMEBODY_REFUSED: consent_pb2.VERDICT_REASON_SOMEBODY_REFUSED,
    Reason.ALL_GRANTED: consent_pb2.VERDICT_REASON_ALL_GRANTED,
    Reason.ANSWERS_AWAITED: consent_pb2.VERDICT_REASON_ANSWERS_AWAITED,
    Reason.UNANSWERED_AT_DEADLINE: consent_pb2.VERDICT_REASON_UNANSWERED_AT_DEADLINE,
}
DEFAULTS = RoomSettings()


def settings_of(message: meeting_pb2.RoomSettings) -> RoomSettings:
    """What an owner chose, with the defaults for what was left out."""
    return RoomSettings(
        recording_type=RECORDING_TYPES.get(message.recording_type, DEFAULTS.recording_type),
        recording_trigger=RECORDING_TRIGGERS.get(message.recording_trigger, DEFAULTS.recording_trigger),
        is_locked=message.is_locked,
        mode=ROOM_MODES.get(message.mode, DEFAULTS.mode),
        consent_policy=CONSENT_POLICIES.get(message.consent_policy, DEFAULTS.consent_policy),
        consent_deadline=(
            message.consent_deadline.ToTimedelta()
            if message.HasField("consent_deadline")
            else DEFAULTS.consent_deadline
        ),
        retention_days=message.retention_days if message.HasField("retention_days") else None,
    )


def settings_message(settings: RoomSettings) -> meeting_pb2.RoomSettings:
    """The other way."""
    message = meeting_pb2.RoomSettings(
        recording_type=_key_of(RECORDING_TYPES, settings.recording_type),
        recording_trigger=_key_of(RECORDING_TRIGGERS, settings.recording_trigger),
        is_locked=settings.is_locked,
        mode=_key_of(ROOM_MODES, settings.mode),
        consent_policy=_key_of(CONSENT_POLICIES, settings.consent_policy),
        retention_days=settings.retention_days,
    )
    message.consent_deadline.FromTimedelta(settings.consent_deadline)
    return message


def room_message(room: Room) -> meeting_pb2.Room:
    """A room."""
    return meeting_pb2.Room(
        name=room.name,
        owner_id=room.owner_id,
        settings=settings_message(room.settings),
        created_at=timestamp(room.created_at),
        updated_at=timestamp(room.updated_at),
    )


def meeting_message(meeting: Meeting, now: datetime) -> meeting_pb2.Meeting:
    """A meeting as it stands."""
    active = meeting.is_active(now)
    return meeting_pb2.Meeting(
        meeting_id=meeting.meeting_id,
        room=meeting.room,
        whereby_room_name=meeting.whereby_room_name,
        room_url=meeting.room_url,
        host_room_url=meeting.host_room_url,
        owner_id=meeting.owner_id,
        start_time=timestamp(meeting.started_at),
        end_time=timestamp(meeting.ended_at(now) or meeting.closes_at),
        is_active=active,
        num_clients=meeting.attendance.num_clients,
        settings=settings_message(meeting.settings),
    )


def answer_message(answer: RecordedAnswer) -> consent_pb2.RecordedAnswer:
    """A committed answer."""
    return consent_pb2.RecordedAnswer(
        consent_id=answer.consent_id,
        meeting_id=answer.meeting_id,
        participant_id=answer.participant_id,
        answer=_key_of(ANSWERS, answer.answer),
        revision=answer.revision,
        answered_at=timestamp(answer.answered_at),
        notice_version=answer.notice_version,
        language=answer.language,
    )


def counts_message(counts: Counts) -> consent_pb2.Counts:
    """How a meeting stands."""
    return consent_pb2.Counts(
        present=counts.present,
        granted=counts.granted,
        denied=counts.denied,
        unanswered=counts.unanswered,
        dial_in=counts.dial_in,
        unidentified=counts.unidentified,
    )


def entry_message(entry: HistoryEntry) -> consent_pb2.HistoryEntry:
    """A line of the history."""
    return consent_pb2.HistoryEntry(
        meeting_id=entry.meeting_id,
        revision=entry.revision,
        participant_digest=entry.participant_digest,
        answer=_key_of(ANSWERS, entry.answer),
        answered_at=timestamp(entry.answered_at),
        notice_version=entry.notice_version,
        language=entry.language,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def verdict_message(verdict: Verdict) -> consent_pb2.Verdict:
    """A verdict."""
    return consent_pb2.Verdict(
        decision=DECISIONS[verdict.decision],
        reason=REASONS[verdict.reason],
        refusals=[consent_pb2.Revision(meeting_id=meeting, revision=number) for meeting, number in verdict.refusals],
        rests_on=[consent_pb2.Revision(meeting_id=meeting, revision=number) for meeting, number in verdict.rests_on],
        decide_at=timestamp(verdict.decide_at) if verdict.decide_at else None,
        unanswered=verdict.unanswered,
        unidentified=verdict.unidentified,
        ambiguous_meeting=verdict.ambiguous_meeting,
    )


def timestamp(time: datetime) -> Timestamp:
    """A time in UTC, to the microsecond."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _key_of(table: dict[K, V], value: V) -> K:
    return next(key for key, known in table.items() if known is value)
