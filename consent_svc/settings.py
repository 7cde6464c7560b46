"""What consent_svc is told by its environment."""

from pydantic import SecretStr

from chassis.settings import ServiceSettings


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
