"""Receipts: what an answer did to the consent, and what its receipt says and does not say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consent_svc.domain.answers import HistoryEntry
from consent_svc.domain.receipts import AnswerOnRecord, Notice, State, Terms, state_of
from consent_svc.domain.rooms import ConsentPolicy, RoomSettings
from consent_svc.domain.verdict import Answer
from consent_svc.history import GENESIS, next_entry, participant_digest
from consent_svc.receipts import receipt_of
from tests.consent.cases import ANA, MINUTE, NINE, TEN, meeting, room, says
from tests.consent.conftest import TERMS

GRANTED, DENIED = Answer.GRANTED, Answer.DENIED
LINK = "https://assent.example.org/consent/a-token"
DIGEST = participant_digest(b"salt", ANA)
NOTICE = Notice.of("2026-01", "en", '{"title":"May it be stored?"}', NINE)


def entry(answer: Answer = GRANTED, revision: int = 1, previous: HistoryEntry | None = None) -> HistoryEntry:
    submission = says(ANA, answer, f"r-{revision}")
    return next_entry(submission, DIGEST, revision, previous.hash if previous else GENESIS, TEN + revision * MINUTE)


def record(**more: Any) -> AnswerOnRecord:
    given = {"meeting": meeting(), "consent_id": "c-1", "entry": entry(), "notice": NOTICE, "terms": TERMS, **more}
    return AnswerOnRecord(**given)


@pytest.mark.parametrize(
    ("answers", "states"),
    [
        ([GRANTED], [State.GIVEN]),
        ([DENIED], [State.REFUSED]),
        ([GRANTED, DENIED], [State.GIVEN, State.WITHDRAWN]),
        ([DENIED, GRANTED], [State.REFUSED, State.GIVEN]),
        ([GRANTED, GRANTED], [State.GIVEN, State.CONFIRMED]),
        ([DENIED, DENIED], [State.REFUSED, State.CONFIRMED]),
        ([GRANTED, DENIED, GRANTED], [State.GIVEN, State.WITHDRAWN, State.GIVEN_AGAIN]),
        ([DENIED, GRANTED, DENIED], [State.REFUSED, State.GIVEN, State.WITHDRAWN]),
        ([DENIED, DENIED, GRANTED], [State.REFUSED, State.CONFIRMED, State.GIVEN]),
        ([GRANTED, DENIED, DENIED, GRANTED], [State.GIVEN, State.WITHDRAWN, State.CONFIRMED, State.GIVEN_AGAIN]),
        ([DENIED, GRANTED, DENIED, GRANTED], [State.REFUSED, State.GIVEN, State.WITHDRAWN, State.GIVEN_AGAIN]),
    ],
    ids=lambda found: "-".join(str(one) for one in found),
)
def test_what_each_answer_of_a_person_did(answers: list[Answer], states: list[State]) -> None:
    found = [
        state_of(answer, answers[place - 1] if place else None, GRANTED in answers[:place])
        for place, answer in enumerate(answers)
    ]
    assert found == states


def test_a_receipt_of_a_grant_says_all_of_it() -> None:
    receipt = receipt_of(record(), LINK)
    assert receipt["schema_version"] == "urn:assent:consent-receipt:1"
    assert (receipt["record_id"], receipt["pii_principal_id"]) == ("c-1", DIGEST)
    processing = receipt["pii_processing"]
    assert processing["privacy_notice"] == {
        "version": "2026-01",
        "hash": NOTICE.hash,
        "path": f"/v1/notices/{NOTICE.hash}",
        "registered_at": "2026-03-02T09:00:00.000000Z",
    }
    assert processing["language"] == "en"
    assert processing["purposes"] == [{"purpose": "To listen to the meeting again", "lawful_basis": "consent"}]
    assert processing["retention_period"] == {"description": "Ten years"}
    assert processing["withdrawal_method"] == {"description": "Change the answer at the link", "url": LINK}
    assert (processing["jurisdiction"], processing["storage_locations"]) == ("NO", ["Norway"])
    controller, whereby = receipt["party_identification"]
    assert processing["pii_controllers"] == [controller["party_id"]]
    assert (controller["party_name"], controller["party_contact"]) == ("Example Cooperative", "privacy@example.org")
    assert processing["recipient_third_parties"] == [whereby["party_id"]]
    assert receipt["event"] == {
        "event_time": "2026-03-02T10:01:00.000000Z",
        "event_type": "explicit",
        "event_state": "given",
        "entity_id": DIGEST,
        "validity_duration": "until the answer is changed",
        "answer": "granted",
        "revision": 1,
        "hash": entry().hash,
        "previous_hash": GENESIS,
        "previous_event": None,
    }
    assert receipt["terms_hash"] == TERMS.hash
    assert receipt["not_recorded"] == []


def test_a_receipt_of_a_change_names_the_answer_before_it() -> None:
    first = entry()
    second = entry(DENIED, 2, first)
    event = receipt_of(record(entry=second, previous=first, granted_before=True), LINK)["event"]
    assert (event["event_state"], event["answer"], event["revision"]) == ("withdrawn", "denied", 2)
    assert event["previous_event"] == {
        "event_time": "2026-03-02T10:01:00.000000Z", "answer": "granted", "revision": 1, "hash": first.hash,
        "previous_hash": GENESIS,
    }  # fmt: skip


def test_the_retention_of_the_room_stands_beside_the_controllers_words() -> None:
    with_days = meeting(of=room(settings=RoomSettings(retention_days=30)))
    retention = receipt_of(record(meeting=with_days), LINK)["pii_processing"]["retention_period"]
    assert retention == {"description": "Ten years", "days_set_for_the_room": 30}


def test_it_says_under_which_policy_the_meeting_stood() -> None:
    strict = meeting(of=room(settings=RoomSettings(consent_policy=ConsentPolicy.KEEP_IF_ALL_GRANTED)))
    assert receipt_of(record(meeting=strict), LINK)["meeting"] == {
        "meeting_id": "m-1",
        "room": "standup",
        "opened_at": "2026-03-02T09:00:00.000000Z",
        "consent_policy": "keep_if_all_granted",
    }


def test_an_answer_from_before_there_were_terms_gets_none_invented() -> None:
    receipt = receipt_of(record(terms=None), LINK)
    assert receipt["terms_hash"] is None
    assert receipt["party_identification"] == []
    assert set(receipt["pii_processing"]) == {"privacy_notice", "language", "retention_period", "withdrawal_method"}
    assert receipt["pii_processing"]["withdrawal_method"] == {"url": LINK}
    [missing] = receipt["not_recorded"]
    assert missing.startswith("controller, purposes, retention and the like: this answer was given before")


@pytest.mark.parametrize(
    ("version", "says_so"),
    [("2026-01", 'wording: nobody made known what version "2026-01" says in "en"'), ("", "without naming one")],
)
def test_a_wording_that_nobody_made_known_is_not_invented(version: str, says_so: str) -> None:
    unknown = replace(entry(), notice_version=version)
    receipt = receipt_of(record(notice=None, entry=unknown), LINK)
    assert receipt["pii_processing"]["privacy_notice"] == {"version": version, "hash": None}
    [missing] = receipt["not_recorded"]
    assert says_so in missing


def test_without_a_link_it_promises_none() -> None:
    assert "url" not in receipt_of(record(), "")["pii_processing"]["withdrawal_method"]


def test_asked_twice_it_is_the_same_to_the_byte() -> None:
    assert json.dumps(receipt_of(record(), LINK)) == json.dumps(receipt_of(record(), LINK))


@pytest.mark.parametrize(
    "other",
    [
        receipt_of(record(), f"{LINK}2"),
        receipt_of(record(consent_id="c-2"), LINK),
        receipt_of(record(entry=entry(DENIED)), LINK),
        receipt_of(record(notice=None), LINK),
        receipt_of(record(terms=None), LINK),
        receipt_of(record(terms=Terms.of({})), LINK),
    ],
    ids=["link", "answer's id", "answer", "wording", "no terms", "other terms"],
)
def test_two_receipts_that_differ_have_different_ids(other: dict[str, Any]) -> None:
    assert other["receipt_id"] != receipt_of(record(), LINK)["receipt_id"]


def test_it_names_no_person_and_not_the_owner() -> None:
    said = json.dumps(receipt_of(record(), LINK))
    assert ANA not in said
    assert "owner-olga" not in said
    assert "whereby.com/standup" not in said
