"""Keeps transcripts, their events and their waveforms."""

from transcript_svc.store.contract import Cursor, Transcripts
from transcript_svc.store.postgres import PostgresTranscripts

__all__ = ["Cursor", "PostgresTranscripts", "Transcripts"]
