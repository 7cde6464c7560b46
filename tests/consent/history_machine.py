"""Histories of answers, retries, crashes and presence, made up by Hypothesis and played on a stage."""

from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count, permutations, product
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from consent_svc.domain.answers import Submission
from consent_svc.domain.presence import ClientEvent, EmptiedEvent, FinishedEvent, PresenceEvent, SessionEvent
from consent_svc.domain.verdict import Answer
from tests.consent.cases import MINUTE, NINE
from tests.consent.referee import NOWHERE, SETTINGS, Referee
from tests.consent.stages import Stage

STEPS = 50
ROUND = 200
OUTSIDER = "eve"

# Participant, role, and whether they came by telephone: Whereby tells the same of a client each time, or nothing.
CLIENTS = {
    "ana-1": ("ana", "visitor", False),
    "ana-2": ("ana", "host", False),
    "ben-1": ("ben", "visitor", False),
    "telephone": ("", "visitor", True),
    "recorder": ("", "recorder", False),
}
# Who comes or goes, and in which minute.
STORY = (
    ("ana-1", True, 0), ("session", True, 1), ("recorder", True, 1), ("ben-1", True, 1), ("ana-1", False, 30),
    ("session", False, 31),
)  # fmt: skip

NAMES = st.sampled_from(sorted(SETTINGS, reverse=True))  # simplest first: standup
PEOPLE = st.sampled_from(["ana", "ben", "cem"])
# As words: so they are told in a history that fails.
ANSWERS = st.sampled_from(["granted", "denied"])
WORDINGS = st.sampled_from([("2026-01", "en"), ("2026-02", "pt-BR"), ("2026-02", "ja")])
TURNS = st.sampled_from([1, 2, 5, 10, 20, 50, 100, 400])
MINUTES = st.sampled_from([0, 1, 2, 30, 31, 400])
# One choice instead of many: most of the time goes into choosing. Up to twelve at once, who wait for each other.
_EACH = list(product(("ana", "ben"), ("granted", "denied")))
FEW = st.sampled_from([few * times for times in (1, 4) for size in (2, 3) for few in product(_EACH, repeat=size)])
ORDERS = st.sampled_from(list(permutations(STORY)))


Few = Sequence[tuple[str, str]]
Failure = tuple[Exception, list[str]]


class Histories(RuleBasedStateMachine):
    """Each rule is something that happens; the referee judges it at once, and everything at the end."""

    requests: Bundle[Submission] = Bundle("request")
    webhooks: Bundle[tuple[str, PresenceEvent]] = Bundle("webhook")

    def __init__(self, stage: Stage, tally: Counter[str], failures: list[Failure]) -> None:
        super().__init__()
        tally["begun"] += 1
        self._stage, self._tally, self._failures = stage, tally, failures
        self._steps: list[tuple[str, Sequence[object]]] = []
        self._failed = False
        self._referee = Referee(stage, tally["begun"], tally)
        stage.run(self._referee.begin())

    # Answers

    @rule(target=requests, who=PEOPLE, meeting=NAMES, answer=ANSWERS, wording=WORDINGS)
    def answers(self, who: str, meeting: str, answer: str, wording: tuple[str, str]) -> Submission:
        return self._send("answers", self._referee.new_submission(meeting, who, Answer(answer), wording))

    @rule(target=requests, request=requests)
    def changes_their_mind(self, request: Submission) -> Submission:
        return self._send("changes their mind", self._referee.other_submission(request))

    @rule(target=requests, who=PEOPLE, meeting=NAMES, answer=ANSWERS)
    def answers_and_the_reply_is_lost(self, who: str, meeting: str, answer: str) -> Submission:
        submission = self._referee.new_submission(meeting, who, Answer(answer))
        self._play("reply lost", self._referee.loses_the_reply(submission), submission)
        return submission

    @rule(target=requests, who=PEOPLE, meeting=NAMES, answer=ANSWERS)
    def answers_and_the_service_dies_before_the_commit(self, who: str, meeting: str, answer: str) -> Submission:
        submission = self._referee.new_submission(meeting, who, Answer(answer))
        self._play("dies before commit", self._referee.dies_before_commit(submission), submission)
        return submission

    @rule(target=requests, who=PEOPLE, meeting=NAMES, answer=ANSWERS, few=FEW, turns=TURNS)
    def gives_up_waiting_and_tries_again(self, who: str, meeting: str, answer: str, few: Few, turns: int) -> Submission:
        submission = self._referee.new_submission(meeting, who, Answer(answer))
        others = self._few(meeting, few)
        play = self._referee.gives_up_waiting(submission, others, turns)
        self._play("gives up waiting", play, submission, turns, *others)
        return submission

    @rule(target=requests, who=st.sampled_from([OUTSIDER, "cem"]), meeting=NAMES | st.just(NOWHERE), answer=ANSWERS)
    def answers_if_present(self, who: str, meeting: str, answer: str) -> Submission:
        submission = self._referee.new_submission(meeting, who, Answer(answer))
        return self._send("answers if present", replace(submission, presence_required=True))

    @rule(request=requests, times=st.sampled_from([1, 1, 2, 5]))
    def sends_again(self, request: Submission, times: int) -> None:
        self._send("sends again", *[request] * times)

    @rule(request=requests)
    def uses_the_request_id_for_the_other_answer(self, request: Submission) -> None:
        self._play("request id used again", self._referee.uses_the_id_again(request), request)

    @rule(target=requests, meeting=NAMES, few=FEW)
    def several_answer_at_once(self, meeting: str, few: Few) -> Submission:
        return self._send("at once", *self._few(meeting, few))

    @rule(target=requests, meeting=NAMES, few=FEW)
    def several_answer_at_once_with_one_request_id(self, meeting: str, few: Few) -> Submission:
        submissions = self._few(meeting, few)
        shared = f"shared-{submissions[0].request_id}"
        return self._send("at once with one request id", *(replace(one, request_id=shared) for one in submissions))

    @rule(meeting=NAMES, few=FEW, request=requests)
    def several_answer_at_once_beside_a_retry(self, meeting: str, few: Few, request: Submission) -> None:
        self._send("at once beside a retry", request, *self._few(meeting, few), request)

    # Presence

    @rule(who=PEOPLE, meeting=NAMES)
    def opens_the_page(self, who: str, meeting: str) -> None:
        self._play("opens the page", self._referee.opens_the_page(meeting, who), who, meeting)

    @rule(
        target=webhooks, meeting=NAMES, client=st.sampled_from(sorted(CLIENTS)), joined=st.booleans(),
        minute=MINUTES, count=st.integers(0, 3), nameless=st.booleans(),
    )  # fmt: skip
    def client_webhook(
        self, meeting: str, client: str, joined: bool, minute: int, count: int, nameless: bool
    ) -> tuple[str, PresenceEvent]:
        return self._tell("client webhook", meeting, self._client(meeting, client, joined, minute, count, nameless))

    @rule(target=webhooks, meeting=NAMES, started=st.booleans(), minute=MINUTES)
    def session_webhook(self, meeting: str, started: bool, minute: int) -> tuple[str, PresenceEvent]:
        return self._tell("session webhook", meeting, self._session(meeting, started, minute))

    @rule(target=webhooks, meeting=NAMES)
    def recording_webhook(self, meeting: str) -> tuple[str, PresenceEvent]:
        meeting_id, whereby_room_name = self._place(meeting)
        event = FinishedEvent(meeting_id, whereby_room_name, f"{meeting_id}.mp4")
        return self._tell("recording webhook", meeting, event)

    @rule(meeting=NAMES, minute=MINUTES)
    def nobody_is_found_there(self, meeting: str, minute: int) -> None:
        event = EmptiedEvent(*self._place(meeting), NINE + minute * MINUTE)
        self._play("found empty", self._referee.tells(meeting, event))

    @rule(webhook=webhooks)
    def webhook_again(self, webhook: tuple[str, PresenceEvent]) -> None:
        self._play("webhook again", self._referee.tells(*webhook))

    @rule(meeting=NAMES, story=ORDERS, together=st.booleans())
    def all_webhooks_at_once(self, meeting: str, story: Sequence[tuple[str, bool, int]], together: bool) -> None:
        events = [
            self._session(meeting, begins, minute) if who == "session" else self._client(meeting, who, begins, minute)
            for who, begins, minute in story
        ]
        self._play("webhooks at once", self._referee.tells(meeting, *events, together=together))

    # Everything else

    @rule(seconds=st.sampled_from([1e-6, 1, 60, 9 * 3600, 30 * 3600, -1e-6, -1, -60, -9 * 3600]))
    def the_clock_jumps(self, seconds: float) -> None:
        self._count("clock jumps", seconds)
        self._referee.now += timedelta(seconds=seconds)

    @rule()
    def the_service_restarts(self) -> None:
        self._play("restart", self._referee.restarts())

    @rule(meeting=NAMES, made_again=st.booleans())
    def the_room_is_deleted(self, meeting: str, made_again: bool) -> None:
        self._play("room deleted", self._referee.deletes_the_room(meeting, made_again), meeting)

    @rule(meetings=st.lists(NAMES, min_size=1, max_size=2, unique=True))
    def a_verdict_is_asked(self, meetings: list[str]) -> None:
        self._play("verdict asked", self._referee.asks_for_a_verdict(meetings), *meetings)

    def teardown(self) -> None:
        """Judge the whole, unless a step was not as it must be: then that is what must be told."""
        if not self._failed:
            self._run(self._referee.end())
            self._tally["histories"] += 1
            self._tally["whole histories"] += len(self._steps) == STEPS

    def _play(self, what: str, play: Coroutine[Any, Any, None], *details: object) -> None:
        self._count(what, *details)
        self._failed = True
        self._run(play)
        self._failed = False

    def _run(self, play: Coroutine[Any, Any, None]) -> None:
        try:
            self._stage.run(play)
        except Exception as error:
            steps = [f"{what}: {', '.join(map(_in_words, details))}" for what, details in self._steps]
            self._failures.append((error, steps))
            raise

    def _count(self, what: str, *details: object) -> None:
        self._steps.append((what, details))
        self._tally.update([what, "steps"])

    def _send(self, what: str, *submissions: Submission) -> Submission:
        self._play(what, self._referee.answers(*submissions), *submissions)
        return submissions[0]

    def _tell(self, what: str, meeting: str, event: PresenceEvent) -> tuple[str, PresenceEvent]:
        self._play(what, self._referee.tells(meeting, event), event)
        return meeting, event

    def _few(self, meeting: str, few: Few) -> list[Submission]:
        return [self._referee.new_submission(meeting, who, Answer(answer)) for who, answer in few]

    def _client(
        self, meeting: str, client: str, joined: bool, minute: int, count: int = 0, nameless: bool = False
    ) -> ClientEvent:
        who, role, is_dial_in = CLIENTS[client]
        meeting_id, whereby_room_name = self._place(meeting)
        return ClientEvent(
            meeting_id=meeting_id,
            whereby_room_name=whereby_room_name,
            session_id="s-1",
            client_id=client,
            external_id="" if nameless else who,
            role=role,
            is_dial_in=is_dial_in,
            num_clients=count,
            at=NINE + minute * MINUTE,
            joined=joined,
        )

    def _session(self, meeting: str, started: bool, minute: int) -> SessionEvent:
        return SessionEvent(*self._place(meeting), "s-1", NINE + minute * MINUTE, started)

    def _place(self, meeting: str) -> tuple[str, str]:
        about = self._referee.meetings[meeting].meeting
        return about.meeting_id, about.whereby_room_name


def play(stage: Stage, wanted: int, *, shrink: bool = True) -> Counter[str]:
    """Play until that many histories had all their steps, and count what happened in them.

    Which ones depends on the versions of Hypothesis and of the modules that are loaded, and on nothing else.

    Raises AssertionError, which names the invariant that does not hold and tells the shortest history found that
    shows it.
    """
    tally: Counter[str] = Counter()
    failures: list[Failure] = []
    for round_number in count():
        missing = wanted - tally["whole histories"]
        if missing <= 0:
            break
        machine = seed(round_number)(lambda: Histories(stage, tally, failures))
        # Some are cut short by how Hypothesis varies what it made before.
        histories = min(missing * 5 // 4 + 1, ROUND)
        try:
            # Its type asks for the class; what makes one does as well.
            run_state_machine_as_test(machine, settings=_settings(histories, shrink=shrink))  # type: ignore[arg-type]
        except Flaky as raced:
            if not failures:
                raise
            # Answers at the same time took another order when the history was played again.
            error, steps = failures[-1]
            error.add_note("\n".join(["Failed in a race that came out otherwise when played again:", *steps]))
            raise error from raced
    return tally


def _in_words(detail: object) -> str:
    if isinstance(detail, Submission):
        return f"{detail.participant_id} {detail.answer} {detail.request_id} in {detail.meeting_id}"
    return str(detail)


def _settings(histories: int, *, shrink: bool) -> settings:
    return settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )
