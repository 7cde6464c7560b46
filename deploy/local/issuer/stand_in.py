"""The issuer as a part of the stack."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import jwt

from deploy.local.issuer.tokens import AUDIENCE, LIFETIME, OWNER, mint, new_key
from deploy.local.part import PYTHON, Part
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir, write_private

CLIENT_ID = "assent-pages"
RENEWED = 7 * 24 * 3600  # seconds before its end
NEEDED = ("ASSENT_GATEWAY_URL", "ASSENT_OIDC_CLIENT_ID", "ASSENT_OIDC_CLIENT_SECRET")


class Issuer(Part):
    """Signs owners' tokens for the gateway and signs people in on the pages, in place of an identity provider."""

    name = "issuer"
    advice: ClassVar[str] = "run `make setup`, or set ASSENT_OIDC_ISSUER and ASSENT_OWNER_TOKEN"

    def __init__(self, run_dir: RunDir | Path | str, variables: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(run_dir)
        self._variables = variables

    @property
    def url(self) -> str:
        """The issuer, as `iss` names it."""
        return f"http://{self.address}"

    @property
    def key(self) -> Path:
        """The signing key, made once."""
        return self.run_dir.secret_file("issuer-key.pem", new_key)

    def env(self) -> dict[str, str]:
        return {
            "ASSENT_OIDC_ISSUER": self.url,
            "ASSENT_OIDC_AUDIENCE": AUDIENCE,
            "ASSENT_OIDC_JWKS_URL": f"{self.url}/jwks.json",
            "ASSENT_OIDC_CLIENT_ID": CLIENT_ID,
            "ASSENT_OIDC_CLIENT_SECRET": self.run_dir.secret("oidc-client-secret"),
            "ASSENT_OWNER_TOKEN": self.owner_token(),
        }

    def command(self) -> list[str]:
        port = str(self.run_dir.port(self.name))
        return [PYTHON, "-m", "deploy.local.issuer", "serve", "--port", port, "--key", str(self.key)]

    def settings(self) -> dict[str, str]:
        variables = self._variables()
        return {name: variables[name] for name in NEEDED}

    def ready(self) -> bool:
        return http_ok(f"{self.url}/.well-known/openid-configuration")

    def token(self, sub: str, audience: str = AUDIENCE, lifetime: int = LIFETIME) -> str:
        """A token for somebody."""
        return mint(self.key, self.url, sub, audience, lifetime)

    def owner_token(self) -> str:
        """The owner's token, the same one until it nears its end."""
        path = self.run_dir.folder("secrets") / "owner-token"
        if path.exists():
            token = path.read_text()
            claims = jwt.decode(token, options={"verify_signature": False})
            if claims["iss"] == self.url and claims["exp"] - time.time() > RENEWED:
                return token
        token = self.token(OWNER)
        write_private(path, token.encode())
        return token
