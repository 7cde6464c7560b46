"""`python -m deploy.local.issuer serve | token`: serves the issuer, or prints one token of a stack's issuer."""

import argparse
import os
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.local.issuer.authorize import Authorize
from deploy.local.issuer.clients import Client
from deploy.local.issuer.codes import Codes
from deploy.local.issuer.redeem import Redeem
from deploy.local.issuer.stand_in import Issuer
from deploy.local.issuer.tokens import OWNER, public_keys
from deploy.local.run_dir import RunDir


def application(key: Path, issuer: str, client: Client, codes: Codes) -> Starlette:
    """The whole issuer, which tests use in their own process."""
    document, public = _document(issuer, client), public_keys(key)

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(document)

    async def keys(_: Request) -> JSONResponse:
        return JSONResponse(public)

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery),
            Route("/jwks.json", keys),
            Route("/authorize", Authorize(issuer, client, codes).answer, methods=["GET", "POST"]),
            Route("/token", Redeem(key, issuer, client, codes).answer, methods=["POST"]),
        ]
    )


def _document(issuer: str, client: Client) -> dict[str, object]:
    """OpenID Connect Discovery 1.0, 3."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks.json",
        "scopes_supported": ["openid", "profile"],
        "claims_supported": ["iss", "aud", "sub", "iat", "exp", "nonce"],
        "subject_types_supported": ["public"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": client.methods,
        "id_token_signing_alg_values_supported": ["RS256"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def main() -> None:
    """Serve, or print one token."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.issuer")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the issuer, with the client that the environment names")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--key", type=Path, required=True)
    token = commands.add_parser("token", help="print a token signed by a stack's issuer")
    token.add_argument("--run-dir", type=Path, default=Path(".run"))
    token.add_argument("--sub", default=OWNER)
    asked = parser.parse_args()
    if asked.command == "token":
        print(Issuer(RunDir(asked.run_dir), dict).token(asked.sub))
        return
    client = Client.of_gateway(
        os.environ["ASSENT_GATEWAY_URL"],
        os.environ["ASSENT_OIDC_CLIENT_ID"],
        os.environ.get("ASSENT_OIDC_CLIENT_SECRET"),
    )
    app = application(asked.key, f"http://127.0.0.1:{asked.port}", client, Codes())
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
