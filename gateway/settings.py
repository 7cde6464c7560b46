"""What the gateway is told by its environment."""

from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import ServiceSettings

_LEAST_SECRET = 32
_PORTS = {"http": ":80", "https": ":443"}


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

    oidc_client_id: str = ""
    """What the issuer knows the pages as; without it people sign in with a token alone."""
    oidc_client_secret: SecretStr = SecretStr("")
    """Empty for a public client, which PKCE alone protects."""
    oidc_subject_claim: str = Field("sub", min_length=1)
    """The claim that says who somebody is, in access tokens and ID tokens alike."""
    oidc_scope: str = "openid profile"
    session_secret: SecretStr = SecretStr("")
    """Seals the cookies of whoever signed in: one secret, or several separated by commas, of which the first seals."""
    session_hours: float = Field(12, gt=0, le=24 * 30)

    participant_token_secret: SecretStr
    """One secret, or several separated by commas: the first signs, and what any of them signed is good."""
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

    @field_validator("participant_token_secret", "session_secret")
    @classmethod
    def _are_long(cls, value: SecretStr) -> SecretStr:
        # HS256 is as strong as its key is long.
        if any(len(part) < _LEAST_SECRET for part in _parts(value)):
            raise ValueError(f"must be at least {_LEAST_SECRET} characters, or several such separated by commas")
        return value

    @model_validator(mode="after")
    def _can_keep_sessions(self) -> Self:
        if self.oidc_client_id and not self.session_secrets:
            raise ValueError("ASSENT_SESSION_SECRET must be set with ASSENT_OIDC_CLIENT_ID: it seals the cookies")
        if not self.participant_secrets:
            raise ValueError("ASSENT_PARTICIPANT_TOKEN_SECRET must not be empty")
        return self

    @property
    def participant_secrets(self) -> tuple[str, ...]:
        """Every secret that a participant's token may be signed with; the first signs."""
        return _parts(self.participant_token_secret)

    @property
    def session_secrets(self) -> tuple[str, ...]:
        """Every secret that a cookie may be sealed with; the first seals."""
        return _parts(self.session_secret)

    @property
    def other_origins(self) -> tuple[str, ...]:
        """Those of `cors_origins`, as browsers name them."""
        return tuple(self.cors_origins.split(",")) if self.cors_origins else ()

    def may_ask(self, origin: str | None) -> bool:
        """Whether pages of this origin may ask for anything; whoever names none is no browser's page."""
        return origin is None or origin in (self.gateway_url, *self.other_origins)

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Every secret that Whereby may sign with."""
        return tuple(part.encode() for part in _parts(self.whereby_webhook_secret))


def _parts(secret: SecretStr) -> tuple[str, ...]:
    return tuple(part.strip() for part in secret.get_secret_value().split(",") if part.strip())


def _origin(value: str) -> str:
    parts = urlsplit(value)
    rest = parts.path.rstrip("/") or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not parts.netloc or rest or set(value) & set(" ;,'\"*@"):
        raise ValueError("must look like https://assent.example.org, with nothing after the host and its port")
    # As browsers name an origin: without the port that goes without saying.
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(_PORTS[parts.scheme])
