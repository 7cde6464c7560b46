"""What consent_svc is told by its environment."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from chassis.settings import ServiceSettings
from consent_svc.domain.receipts import Terms, terms_of

_LONGEST = 2000


def _written(text: str) -> str:
    """A text that people will read in their receipts."""
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise ValueError(
            f"must say something, on one line of at most {_LONGEST} characters: it goes into every receipt"
        )
    return text


Written = Annotated[str, AfterValidator(_written)]


class Settings(ServiceSettings):
    """A field `consent_listen` is read from `ASSENT_CONSENT_LISTEN`."""

    consent_database_url: str
    # The tables' owner; `migrate` falls back to the former.
    consent_migration_database_url: str | None = None
    consent_listen: str = "0.0.0.0:50051"
    consent_health_listen: str = "0.0.0.0:8081"

    # With the version: https://api.whereby.dev/v1
    whereby_api_url: str
    whereby_api_key: SecretStr
    # Where Whereby puts recordings, and the keys that it does so with.
    recordings_bucket: str
    whereby_recording_access_key_id: str
    whereby_recording_secret_access_key: SecretStr
    # How often Whereby is asked which sessions an open meeting has.
    consent_insights_seconds: float = Field(60, gt=0)

    # Ed25519, PKCS#8 in PEM: signs receipts.
    consent_receipt_key_file: Path
    # What receipts say beside the answer.
    consent_controller_name: Written
    consent_controller_contact: Written
    consent_controller_address_line: str = ""
    # ISO 3166 code, or in words.
    consent_jurisdiction: Written
    consent_purposes: Annotated[tuple[Written, ...], NoDecode] = (
        "To store the audio of the meeting beside its written transcript, so that it can be listened to again",
    )
    consent_storage_location: str = ""
    consent_retention: Written = "Until the room's owner deletes it"
    consent_withdrawal: Written = (
        "Change the answer at the link in this receipt, at any time: storing ends, and the audio is erased"
    )
    consent_privacy_policy_url: str = ""

    @property
    def terms(self) -> Terms:
        """What every answer is given under, as long as this process runs."""
        return terms_of(
            controller={
                "party_name": self.consent_controller_name,
                "party_contact": self.consent_controller_contact,
                "party_address": self.consent_controller_address_line,
            },
            jurisdiction=self.consent_jurisdiction,
            purposes=self.consent_purposes,
            storage_location=self.consent_storage_location,
            retention=self.consent_retention,
            withdrawal=self.consent_withdrawal,
            privacy_policy_url=self.consent_privacy_policy_url,
        )

    @field_validator("consent_purposes", mode="before")
    @classmethod
    def _is_a_list(cls, value: Any) -> Any:
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        if not isinstance(found, list | tuple) or not found:
            raise ValueError('must be a JSON list of at least one sentence, like ["To listen to the meeting again"]')
        return found

    @field_validator("consent_controller_address_line", "consent_storage_location")
    @classmethod
    def _is_written_or_left_out(cls, value: str) -> str:
        return _written(value) if value.strip() else ""

    @field_validator("consent_privacy_policy_url")
    @classmethod
    def _is_a_link(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc or not value.isprintable()):
            raise ValueError("must look like https://example.org/privacy, or be left out")
        return value
