"""An identity provider: keys that can be rotated, tokens of every kind, and the power to be away."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

URL = "https://issuer.example.org"
AUDIENCE = "assent"
_MAKERS: dict[str, Any] = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


class Issuer:
    """Signs tokens; `app` serves the key set."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.is_away = False
        self.asked = 0
        self.url = ""
        self.app = Starlette(routes=[Route("/jwks.json", self._jwks)])
        for algorithm in _MAKERS:
            self.add_key(algorithm.lower(), algorithm)

    def add_key(self, key_id: str, algorithm: str) -> None:
        """Publish one more key."""
        make, _ = _MAKERS[algorithm]
        self.keys[key_id] = (algorithm, make())

    def token(self, subject: str, *, key_id: str = "es256", expires_in: float = 600, **claims: Any) -> str:
        """A token for somebody; claims given as None are left out."""
        algorithm, key = self.keys[key_id]
        now = int(time.time())
        every = {"iss": URL, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + int(expires_in), **claims}
        kept = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(kept, key, algorithm, headers={"kid": key_id})

    def public_key(self, key_id: str) -> dict[str, Any]:
        """One key as the key set shows it."""
        algorithm, key = self.keys[key_id]
        document = json.loads(_MAKERS[algorithm][1].to_jwk(key.public_key()))
        return {**document, "kid": key_id, "use": "sig"}

    def public_pem(self, key_id: str) -> str:
        """The same in PEM."""
        key = self.keys[key_id][1].public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(key.public_bytes(serialization.Encoding.PEM, form).decode())

    async def _jwks(self, _: Request) -> Response:
        self.asked += 1
        if self.is_away:
            return Response(status_code=502)
        return JSONResponse({"keys": [self.public_key(key_id) for key_id in self.keys]})
