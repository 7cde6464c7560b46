"""Receipts of answers: written, and checked without the service."""

from consent_svc.receipts.document import RECEIPT_TYPE, receipt_of

__all__ = ["RECEIPT_TYPE", "receipt_of"]
