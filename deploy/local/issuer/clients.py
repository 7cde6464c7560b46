"""The one client that the issuer knows, and how it proves at the token endpoint who it is."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

CALLBACK = "/v1/sign-in/callback"


class Repeated(Exception):
    """A parameter came more than once, which RFC 6749 (3.1, 3.2) forbids."""


class NotTheClient(Exception):
    """Whoever asked did not prove to be the client; the message says why."""


@dataclass(frozen=True)
class Client:
    """A registration. Without a secret the client is public: only PKCE ties the code to who asked for it."""

    id: str
    secret: str | None
    redirect_uri: str

    @classmethod
    def of_gateway(cls, gateway_url: str, client_id: str, secret: str | None) -> "Client":
        """The pages, with the one address that the gateway is called back at."""
        return cls(client_id, secret or None, gateway_url.rstrip("/") + CALLBACK)

    @property
    def methods(self) -> list[str]:
        """How it may prove who it is, as discovery names that."""
        return ["client_secret_basic", "client_secret_post"] if self.secret else ["none"]

    def authenticate(self, authorization: str | None, form: Mapping[str, str]) -> None:
        """Accept one way of proving it (RFC 6749, 2.3.1), never two at once.

        Raises:
            NotTheClient: another client, a wrong secret, none, or two ways at once.
        """
        given_id, secret = form.get("client_id"), form.get("client_secret")
        if authorization is not None:
            if secret is not None:
                raise NotTheClient("the client's secret came twice: in the header and in the body")
            basic_id, secret = _basic(authorization)
            if given_id not in (None, basic_id):
                raise NotTheClient("client_id is not the one in the header")
            given_id = basic_id
        if given_id != self.id or not hmac.compare_digest((secret or "").encode(), (self.secret or "").encode()):
            raise NotTheClient("no such client, or not its secret")


def read_parameters(encoded: str) -> dict[str, str]:
    """The parameters of a query or a form; one without a value counts as absent (RFC 6749, 3.1).

    Raises:
        Repeated: one of them came more than once.
    """
    pairs = parse_qsl(encoded)
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise Repeated
    return parameters


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        decoded = ""
    name, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise NotTheClient("the Authorization header is not HTTP Basic")
    return unquote_plus(name), unquote_plus(secret)
