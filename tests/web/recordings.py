"""Recordings as the services would have left them."""

from typing import Any

RECORDED, DISCOVERED, TRANSCRIBED, ERASED = (
    f"2026-11-22T{clock}:00Z" for clock in ("10:01", "10:31", "10:33", "10:34")
)


def recording(state: str, recording_id: str = "recording-1", **changed: Any) -> dict[str, Any]:
    """What a listener is told of a recording of the meeting `meeting-1`: no more than this."""
    is_heard = state not in ("discovered", "transcribing")
    return {
        "id": recording_id,
        "meeting_id": "meeting-1",
        "state": state,
        "reason": "",
        "recorded_at": RECORDED,
        "transcript_id": "transcript-1" if is_heard else None,
        "erased_at": ERASED if state == "erased" else None,
        "blocked_until": None,
        **changed,
    }


def listed(state: str, recording_id: str = "recording-1", **changed: Any) -> dict[str, Any]:
    """The same as the owner's list shows it."""
    return {**recording(state, recording_id), "discovered_at": DISCOVERED, **changed}
