"""How an operator's commands put what they found: a line each for people, JSON for machines."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chassis.logs import plain
from recording_svc.operator.actions import Assigned
from recording_svc.operator.desk import Action
from recording_svc.operator.waiting import Waiting


def stuck_lines(found: Sequence[Waiting], now: datetime) -> list[str]:
    """One line each: id, object key, state, reason, since when, what to do."""
    return [
        plain(
            f"{one.recording.recording_id}  {one.recording.object_key}  {one.recording.state.upper()} "
            f"{one.recording.reason}  since {_time(one.since)} ({_age(now - one.since)})  {one.what_to_do}"
        )
        for one in found
    ]


def stuck_json(found: Sequence[Waiting], now: datetime) -> str:
    """The same as a list."""
    return _json(
        [
            {
                "recording_id": one.recording.recording_id,
                "object_key": one.recording.object_key,
                "version_id": one.recording.version_id,
                "state": one.recording.state.value,
                "reason": one.recording.reason,
                "since": one.since.isoformat(),
                "seconds": round((now - one.since).total_seconds()),
                "what_to_do": one.what_to_do,
            }
            for one in found
        ]
    )


def assigned_lines(done: Assigned) -> list[str]:
    """What a recording was assigned to, so that a mistake is seen."""
    recording = done.recording
    lines = [f"{recording.recording_id}  {recording.object_key}  belongs by hand to:"]
    for one in done.meetings:
        begun = _time(one.start_time.ToDatetime(recording.discovered_at.tzinfo))
        lines.append(f"  {one.meeting_id}  room {one.room}  owner {one.owner_id}  begun {begun}")
    lines.append("It is settled within seconds, by the answers of these meetings.")
    return [plain(line) for line in lines]


def action_lines(actions: Sequence[Action]) -> list[str]:
    """One line each: when, who, what, to which recording, details."""
    return [
        plain(
            f"{_time(one.at) if one.at else '-'}  {one.operator}  {one.action}  {one.recording_id or '-'}  "
            f"{json.dumps(dict(one.details), ensure_ascii=False, sort_keys=True)}"
        )
        for one in actions
    ]


def actions_json(actions: Sequence[Action]) -> str:
    """The same as a list."""
    return _json(
        [
            {
                "at": one.at.isoformat() if one.at else None,
                "operator": one.operator,
                "action": one.action,
                "recording_id": one.recording_id,
                "details": dict(one.details),
            }
            for one in actions
        ]
    )


def _json(value: list[dict[str, Any]]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    hours, days = minutes // 60, minutes // (24 * 60)
    return f"{days} d" if days >= 2 else f"{hours} h" if hours >= 2 else f"{minutes} min"
