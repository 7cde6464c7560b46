"""Serves assent.consent.v1.ConsentService."""

from collections.abc import Callable
from datetime import datetime

from consent_svc.domain.answers import Answers, History
from consent_svc.domain.standings import Standings
from consent_svc.servicer.answers import AnswerCalls
from consent_svc.servicer.history import HistoryCalls
from consent_svc.signing import Signer


class ConsentServicer(AnswerCalls, HistoryCalls):
    """Every call of the service, each written where its work is."""

    def __init__(
        self, answers: Answers, standings: Standings, history: History, signer: Signer, now: Callable[[], datetime]
    ) -> None:
        AnswerCalls.__init__(self, answers, standings, now)
        HistoryCalls.__init__(self, history, signer, now)
