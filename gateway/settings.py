"""What the gateway is told by its environment."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """A field `gateway_url` is read from `ASSENT_GATEWAY_URL`."""

    gateway_listen: str = "0.0.0.0:8080"
    gateway_url: str
    """Where browsers reach us: the only origin that may open WebSockets."""
    consent_address: str
    recording_address: str
    transcript_address: str

    whereby_webhook_secret: SecretStr
    """One secret, or two separated by a comma while they are rotated."""
    whereby_room_origin: str = ""
    """An origin that rooms may come from besides whereby.com."""

    oidc_issuer: str
    oidc_audience: str = "assent"
    oidc_jwks_url: str

    # HS256 and HMAC-SHA256 are as strong as their key is long.
    participant_token_secret: SecretStr = Field(min_length=32)
    fingerprint_key: SecretStr = Field(min_length=16)

    @field_validator("gateway_url", "whereby_room_origin")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc or set(value) & set(" ;,'\"")):
            raise ValueError("must look like https://assent.example.org")
        return f"{parts.scheme}://{parts.netloc}" if value else ""

    @field_validator("whereby_webhook_secret")
    @classmethod
    def _has_a_secret(cls, value: SecretStr) -> SecretStr:
        # An empty secret would let anybody sign.
        if not all(part.strip() for part in value.get_secret_value().split(",")):
            raise ValueError("must be one secret, or two separated by a comma")
        return value

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Every secret that Whereby may sign with."""
        return tuple(part.strip().encode() for part in self.whereby_webhook_secret.get_secret_value().split(","))
