"""The history of a meeting's answers: chained by hashes, verified, exported, and checked without the service."""

from consent_svc.history.chain import GENESIS, hash_of, next_entry, participant_digest

__all__ = ["GENESIS", "hash_of", "next_entry", "participant_digest"]
