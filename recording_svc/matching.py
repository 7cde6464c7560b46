"""Whose word on a recording's meetings counts: consent_svc's wherever it knows one, otherwise an operator's."""

from collections.abc import Sequence
from dataclasses import replace

from recording_svc.domain.recordings import GOING, Match, Recording
from recording_svc.domain.settling import Opinion


class NotAssignableError(Exception):
    """An operator cannot say which meetings this recording belongs to; the text says why."""


def standing(said: Opinion, known: Match) -> Opinion:
    """What consent_svc said; where it knows no meeting, those that an operator named stand."""
    if said.match is None or said.match.meeting_ids or not known.by_hand:
        return said
    return replace(said, match=replace(known, recorded_at=said.match.recorded_at or known.recorded_at))


def assign(recording: Recording, meetings: Sequence[Match]) -> Match:
    """The match by hand of a recording that has none, from what consent_svc knows of each meeting named.

    Raises:
        NotAssignableError: its meetings are known, its audio is going or gone, or the meetings have several owners.
    """
    if recording.state in GOING:
        raise NotAssignableError(f"recording {recording.recording_id} is {recording.state}: its fate is decided")
    if recording.match.meeting_ids and not recording.match.by_hand:
        known = ", ".join(recording.match.meeting_ids)
        raise NotAssignableError(f"consent_svc knows the meetings of {recording.recording_id}: {known}; they stand")
    owners = {one.owner_id for one in meetings}
    if len(owners) != 1 or "" in owners:
        raise NotAssignableError("these meetings do not have one owner: name meetings of one owner only")
    ids = sorted({meeting_id for one in meetings for meeting_id in one.meeting_ids})
    retention = min((one.retention_days for one in meetings if one.retention_days is not None), default=None)
    return Match(tuple(ids), owners.pop(), recording.match.recorded_at, retention, by_hand=True)
