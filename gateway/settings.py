"""What the gateway is told by its environment."""

from ipaddress import ip_network
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """A field `gateway_url` is read from `ASSENT_GATEWAY_URL`."""

    gateway_listen: str = "0.0.0.0:8080"
    gateway_url: str
    """Where browsers reach us."""
    cors_origins: str = ""
    """Other origins whose pages may use the API and its WebSockets, separated by commas."""
    trusted_proxies: str = ""
    """Addresses or networks, separated by commas, whose X-Forwarded-For is believed."""
    openings_per_minute: int = Field(600, ge=0)
    """Of meetings, from one address; 0 is no limit."""
    answers_per_minute: int = Field(120, ge=0)
    """Of one person in one meeting; 0 is no limit."""
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
        return _origin(value) if value else ""

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        # `*` would let every page on the web ask in the name of whoever has a token there.
        return ",".join(_origin(one.strip()) for one in value.split(",") if one.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks = [one.strip() for one in value.split(",") if one.strip()]
        for one in networks:
            ip_network(one)  # says itself what is wrong with it
        return ",".join(networks)

    @field_validator("whereby_webhook_secret")
    @classmethod
    def _has_a_secret(cls, value: SecretStr) -> SecretStr:
        # An empty secret would let anybody sign.
        if not all(part.strip() for part in value.get_secret_value().split(",")):
            raise ValueError("must be one secret, or two separated by a comma")
        return value

    @property
    def other_origins(self) -> tuple[str, ...]:
        """Those of `cors_origins`, as browsers name them."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Every secret that Whereby may sign with."""
        return tuple(part.strip().encode() for part in self.whereby_webhook_secret.get_secret_value().split(","))


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or set(value) & set(" ;,'\"*@"):
        raise ValueError("must look like https://assent.example.org")
    return f"{parts.scheme}://{parts.netloc}".lower()
