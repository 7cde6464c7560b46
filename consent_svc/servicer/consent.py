"""Serves assent.consent.v1.ConsentService."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from consent_svc.domain.answers import Answers, History
from consent_svc.domain.receipts import Receipts
from consent_svc.domain.standings import Standings
from consent_svc.servicer.answers import AnswerCalls
from consent_svc.servicer.history import HistoryCalls
from consent_svc.servicer.receipts import ReceiptCalls
from consent_svc.signing import Signer


class ConsentServicer(AnswerCalls, HistoryCalls, ReceiptCalls):
    """Every call of the service, each written where its work is."""

    def __init__(
        self,
        answers: Answers,
        standings: Standings,
        history: History,
        receipts: Receipts,
        signer: Signer,
        now: Callable[[], datetime],
        ending: asyncio.Event,
    ) -> None:
        AnswerCalls.__init__(self, answers, standings, now, ending)
        HistoryCalls.__init__(self, history, receipts, signer, now)
        ReceiptCalls.__init__(self, receipts, signer, now)
