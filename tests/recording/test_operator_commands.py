"""The operator's commands as a shell sees them: what they print, and how they end."""

import argparse
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from chassis.channel import Tls
from chassis.database import Database
from recording_svc.domain.recordings import State
from recording_svc.operator import actions, commands
from recording_svc.operator.desk import Action
from recording_svc.operator.postgres import PostgresDesk
from recording_svc.operator.redrive import RedriveInterruptedError, depth, redrive
from recording_svc.settings import Settings
from recording_svc.store.postgres import PostgresRecordings
from tests.recording.conftest import Aws
from tests.recording.neighbours import Neighbours
from tests.recording.surroundings import Cloud
from tests.recording.test_store import taken_in

Run = Callable[..., Awaitable[tuple[int, str, str]]]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_to(parser.add_subparsers(dest="command", required=True))
    return parser.parse_args(arguments)


@pytest.fixture
def settings(database_url: str, cloud: Cloud, aws: Aws, neighbours: Neighbours, tls: Tls) -> Settings:
    there = aws.blocking
    values: dict[str, Any] = {
        "nats_url": "nats://127.0.0.1:1", "tls_ca": tls.ca, "tls_cert": tls.cert, "tls_key": tls.key,
        "recording_database_url": database_url, "consent_address": neighbours.address,
        "transcript_address": neighbours.address, "recordings_bucket": cloud.recordings, "audio_bucket": cloud.audio,
        "recordings_queue_url": cloud.queue, "recordings_dlq_url": cloud.dead_letters,
        "certificate_key_file": Path("unread.pem"), "AWS_ENDPOINT_URL": there.endpoint, "AWS_REGION": there.region,
        "AWS_ACCESS_KEY_ID": there.access_key_id, "AWS_SECRET_ACCESS_KEY": there.secret_access_key,
    }  # fmt: skip
    return Settings(**values)


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*arguments: str, **other: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await commands.run(parsed(*arguments), settings.model_copy(update=other))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


async def test_stuck_says_on_one_line_all_that_is_needed(run: Run, postgres_recordings: PostgresRecordings) -> None:
    assert await run("stuck") == (0, "", "nothing waits longer than it should\n")
    recording = await taken_in(postgres_recordings, "a room-2026-11-22T11:20:00Z.mp4")
    await postgres_recordings.save(replace(recording, state=State.UNMATCHED, reason="NO_MEETING"))
    code, out, err = await run("stuck")
    [line] = out.splitlines()
    assert (code, err) == (0, "")
    for part in (recording.recording_id, recording.object_key, "UNMATCHED NO_MEETING", "since 2026-11-22 12:00:00Z"):
        assert part in line
    [told] = TypeAdapter(list[dict[str, Any]]).validate_json((await run("stuck", "--json"))[1])
    assert (told["recording_id"], told["state"], told["reason"]) == (
        recording.recording_id, "unmatched", "NO_MEETING",
    )  # fmt: skip
    assert told["since"] == "2026-11-22T12:00:00+00:00"


async def test_a_match_shows_the_meeting_and_stays_in_the_audit(
    run: Run, postgres_recordings: PostgresRecordings, neighbours: Neighbours
) -> None:
    recording = await taken_in(postgres_recordings)
    neighbours.answers.owners["meeting-9"] = "owner-9"
    said = ("--operator", "Ida", "--why", "the only one that day")
    code, out, _ = await run("match", recording.recording_id, "meeting-9", *said)
    assert code == 0
    assert "meeting-9  room a-room  owner owner-9" in out
    code, out, _ = await run("audit")
    assert code == 0
    assert f"Ida  match  {recording.recording_id}" in out
    assert "the only one that day" in out
    [told] = json.loads((await run("audit", "--json"))[1])
    assert told["details"]["meeting_ids"] == ["meeting-9"]


async def test_what_cannot_be_done_ends_with_1_and_says_what_to_do(
    run: Run, postgres_recordings: PostgresRecordings, neighbours: Neighbours, tmp_path: Path
) -> None:
    recording = await taken_in(postgres_recordings)
    named = ("match", recording.recording_id, "meeting-9", "--operator", "Ida", "--why", "sure")
    code, out, err = await run(*named)
    assert (code, out) == (1, "")
    assert "no meeting meeting-9: take the id from" in err
    assert (await run("retry", "nothing"))[0] == 1
    code, _, err = await run("stuck", recording_database_url="postgresql+asyncpg://x:y@127.0.0.1:1/none")
    assert code == 1
    assert "database" in err
    code, _, err = await run("stuck", tls_ca=tmp_path / "missing.pem")
    assert code == 1
    assert "missing.pem" in err
    code, _, err = await run("redrive", recordings_dlq_url="http://127.0.0.1:1/1/none", aws_endpoint_url=None)
    assert code == 1
    assert "SQS" in err


async def test_retries_one_or_all(run: Run, postgres_recordings: PostgresRecordings) -> None:
    recording = await taken_in(postgres_recordings)
    assert (await run("retry", recording.recording_id))[0] == 0
    assert (await run("retry", "--all"))[:2] == (0, "1 recordings are looked at within seconds\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("retry",), ("retry", "r-1", "--all"), ("match", "r-1", "--operator", "Ida", "--why", "so"),
        ("match", "r-1", "m-1", "--operator", "Ida"), ("match", "r-1", "m-1", "--why", "so"),
        ("match", "r-1", "m-1", "--operator", " ", "--why", "so"), ("redrive", "--limit", "0"),
        ("match", "r-1", "", "--operator", "Ida", "--why", "so"),
        ("match", "r-1", "m-1", "\udcff", "--operator", "Ida", "--why", "so"),
        ("match", "r-1", "m\0", "--operator", "Ida", "--why", "so"),
        ("match", "", "m-1", "--operator", "Ida", "--why", "so"), ("retry", ""), ("retry", "\udcff"),
    ],
)  # fmt: skip
def test_what_was_asked_wrongly_ends_with_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2


UNPRINTABLE = [
    "Ida\n2026-11-22 11:00:00Z  Bob  match  r-1  {}", "Ida\r", "\x1b[2JIda", "Ida\u2028Bob", "\u202eadI", "\x9b2J",
    "\udcff", "Ida\0",
]  # fmt: skip


@pytest.mark.parametrize("text", UNPRINTABLE)
@pytest.mark.parametrize(
    "arguments",
    [
        ("match", "r-1", "m-1", "--why", "so", "--operator"), ("match", "r-1", "m-1", "--operator", "Ida", "--why"),
        ("retry", "r-1", "--operator"), ("redrive", "--operator"),
    ],
)  # fmt: skip
def test_an_operator_cannot_forge_the_audit(
    arguments: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments, text)
    assert ended.value.code == 2
    assert "printable text on one line" in capsys.readouterr().err


async def test_what_others_named_is_shown_on_its_line_whatever_is_in_it(
    run: Run, postgres_recordings: PostgresRecordings, neighbours: Neighbours, database_url: str
) -> None:
    key = "a room\x1b[2J\nforged-id  x  KEPT\u202e-2026-11-22T11:20:00Z.mp4"
    recording = await taken_in(postgres_recordings, key)
    await postgres_recordings.save(replace(recording, state=State.UNMATCHED, reason="NO_MEETING"))
    [line] = (await run("stuck"))[1].splitlines()
    assert r"a room\x1b[2J\nforged-id  x  KEPT\u202e-2026" in line
    [told] = json.loads((await run("stuck", "--json"))[1])
    assert told["object_key"] == key
    neighbours.answers.owners["meeting-9"] = "owner\x1b[2J\n9"
    said = ("--operator", "Zoë", "--why", "as she says: »ours«")
    _, out, _ = await run("match", recording.recording_id, "meeting-9", *said)
    assert len(out.splitlines()) == 3
    assert r"owner\x1b[2J\n9" in out
    async with Database(database_url) as database:
        await PostgresDesk(database).note(Action("Eve\n2026", "retry\x1b", details={"why": "\x9b2J"}))
    matched, noted = (await run("audit"))[1].splitlines()
    assert "Zoë  match" in matched
    assert "as she says: »ours«" in matched
    assert r"Eve\n2026  retry\x1b  -  " in noted
    assert r"\x9b2J" in noted
    assert json.loads((await run("audit", "--json"))[1])[1]["operator"] == "Eve\n2026"


async def test_what_went_wrong_is_told_without_what_does_not_print(run: Run) -> None:
    code, _, err = await run("stuck", tls_ca=Path("missing\x1b[2J.pem"))
    assert (code, "\x1b" in err, r"missing\x1b[2J.pem" in err) == (1, False, True)


async def test_stuck_says_where_it_did_not_look_at_all(
    run: Run, postgres_recordings: PostgresRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST_LISTED", 2)
    for number in range(2):
        await taken_in(postgres_recordings, f"{number}-2026-11-22T11:20:00Z.mp4")
    assert (await run("stuck"))[2] == ""
    await taken_in(postgres_recordings, "one more-2026-11-22T11:20:00Z.mp4")
    for arguments in (("stuck",), ("stuck", "--json")):
        code, _, err = await run(*arguments)
        assert code == 0
        assert "only the 2 that came first were looked at, of 3 that wait" in err


async def test_redrive_brings_dead_letters_back_and_counts_them(run: Run, cloud: Cloud) -> None:
    for number in range(12):
        cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody=f"letter {number}")
    assert (await run("redrive", "--limit", "5"))[:2] == (0, "5 messages moved, about 7 left\n")
    assert (await run("redrive", "--operator", "Ida"))[:2] == (0, "7 messages moved, about 0 left\n")
    assert sorted(bodies(cloud)) == sorted(f"letter {number}" for number in range(12))
    assert (await run("redrive"))[:2] == (0, "0 messages moved, about 0 left\n")
    assert "Ida  redrive" in (await run("audit"))[1]


def bodies(cloud: Cloud) -> list[str]:
    """All that lies in the recordings queue and is not S3's own test event."""
    found: list[str] = []
    while got := cloud.sqs_oracle.receive_message(QueueUrl=cloud.queue, MaxNumberOfMessages=10).get("Messages"):
        found += [one["Body"] for one in got]
    return [one for one in found if one.startswith("letter")]


class Failing:
    """SQS that fails at one operation from the second time on."""

    def __init__(self, sqs: Any, fails: str) -> None:
        self._sqs = sqs
        self._fails = fails
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        if name == self._fails:
            self._calls += 1
            if self._calls > 1:
                raise ClientError({"Error": {"Code": "AccessDenied"}}, name)
        return getattr(self._sqs, name)


@pytest.mark.parametrize("fails", ["send_message", "delete_message"])
async def test_r2_an_interrupted_redrive_loses_no_message(cloud: Cloud, fails: str) -> None:
    for number in range(3):
        cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody=f"letter {number}")
    failing: Any = Failing(cloud.sqs, fails)
    with pytest.raises(RedriveInterruptedError) as interrupted:
        await redrive(failing, cloud.dead_letters, cloud.queue, 3)
    assert interrupted.value.moved == 1
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = cloud.sqs_oracle.get_queue_attributes(QueueUrl=cloud.dead_letters, AttributeNames=names)["Attributes"]
    left = sum(int(counts[name]) for name in names)
    there = len(bodies(cloud))
    assert left + there >= 3
    assert left == 2
    assert there == (1 if fails == "send_message" else 2)


async def test_the_depth_is_sqs_own(cloud: Cloud) -> None:
    assert await depth(cloud.sqs, cloud.dead_letters) == 0
    cloud.sqs_oracle.send_message(QueueUrl=cloud.dead_letters, MessageBody="x")
    assert await depth(cloud.sqs, cloud.dead_letters) == 1
