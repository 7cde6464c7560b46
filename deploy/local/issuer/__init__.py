"""A little OpenID Connect issuer: its discovery document, its key set, and tokens for owners.

`python -m deploy.local.issuer serve --port 9001 --key FILE` serves it;
`python -m deploy.local.issuer token --run-dir .run --sub owner-2` prints a token for somebody else.
"""

import argparse
import base64
import hashlib
import time
from pathlib import Path
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.local.part import PYTHON, Part
from deploy.local.probes import http_ok
from deploy.local.run_dir import RunDir, write_private

AUDIENCE = "assent"
OWNER = "owner-demo"
LIFETIME = 30 * 24 * 3600  # seconds
RENEWED = 7 * 24 * 3600  # seconds before its end


class Issuer(Part):
    """Signs owners' tokens for the gateway, in place of a company's identity provider."""

    name = "issuer"
    advice: ClassVar[str] = "run `make setup`, or set ASSENT_OIDC_ISSUER and ASSENT_OWNER_TOKEN"

    @property
    def url(self) -> str:
        """The issuer, as `iss` names it."""
        return f"http://{self.address}"

    @property
    def key(self) -> Path:
        """The signing key, made once."""
        return self.run_dir.secret_file("issuer-key.pem", _new_key)

    def env(self) -> dict[str, str]:
        return {
            "ASSENT_OIDC_ISSUER": self.url,
            "ASSENT_OIDC_AUDIENCE": AUDIENCE,
            "ASSENT_OIDC_JWKS_URL": f"{self.url}/jwks.json",
            "ASSENT_OWNER_TOKEN": self.owner_token(),
        }

    def command(self) -> list[str]:
        port = str(self.run_dir.port(self.name))
        return [PYTHON, "-m", "deploy.local.issuer", "serve", "--port", port, "--key", str(self.key)]

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


def mint(key: Path, issuer: str, sub: str, audience: str = AUDIENCE, lifetime: int = LIFETIME) -> str:
    """A token signed with the key in this file, good for `lifetime` seconds."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": sub, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, _load(key), algorithm="RS256", headers={"kid": _key_id(_load(key))})


def application(key: Path, issuer: str) -> Starlette:
    """Discovery and key set, with any address that asks for them."""
    public = {"keys": [_public(_load(key))]}
    document = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(document)

    async def keys(_: Request) -> JSONResponse:
        return JSONResponse(public)

    return Starlette(routes=[Route("/.well-known/openid-configuration", discovery), Route("/jwks.json", keys)])


def _new_key() -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _public(key: RSAPrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": _key_id(key),
        "n": _base64(numbers.n),
        "e": _base64(numbers.e),
    }


def _key_id(key: RSAPrivateKey) -> str:
    numbers: RSAPublicNumbers = key.public_key().public_numbers()
    return hashlib.sha256(str(numbers.n).encode()).hexdigest()[:16]


def _base64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def main() -> None:
    """Serve, or print one token."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.issuer")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve discovery and key set")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--key", type=Path, required=True)
    token = commands.add_parser("token", help="print a token signed by a stack's issuer")
    token.add_argument("--run-dir", type=Path, default=Path(".run"))
    token.add_argument("--sub", default=OWNER)
    asked = parser.parse_args()
    if asked.command == "token":
        print(Issuer(RunDir(asked.run_dir)).token(asked.sub))
        return
    import uvicorn  # the stack, which imports this module, does not serve

    app = application(asked.key, f"http://127.0.0.1:{asked.port}")
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning")
