"""Certificates for mutual TLS, and the issuer's tokens."""

import asyncio
import ssl
from pathlib import Path

import httpx
import jwt
import pytest

from deploy.local.certificates import Certificates
from deploy.local.issuer.__main__ import application
from deploy.local.issuer.clients import Client
from deploy.local.issuer.codes import Codes
from deploy.local.issuer.stand_in import Issuer
from deploy.local.run_dir import RunDir


def context(purpose: ssl.Purpose, own: dict[str, str] | None, trusted: str) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=trusted)
    made.verify_mode = ssl.CERT_REQUIRED
    if own:
        made.load_cert_chain(own["ASSENT_TLS_CERT"], own["ASSENT_TLS_KEY"])
    return made


async def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        try:
            return await reader.read()
        finally:
            writer.close()


async def is_turned_away(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """With TLS 1.3 a client learns of it when it reads: an alert, or an end without a word."""
    try:
        return await shake_hands(server, client, "localhost") == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("name", ["consent-svc", "localhost", "127.0.0.1"])
async def test_two_services_trust_each_other(tmp_path: Path, name: str) -> None:
    certificates = Certificates(RunDir(tmp_path))
    consent, gateway = certificates.env("consent_svc"), certificates.env("gateway")
    server = context(ssl.Purpose.CLIENT_AUTH, consent, consent["ASSENT_TLS_CA"])
    client = context(ssl.Purpose.SERVER_AUTH, gateway, gateway["ASSENT_TLS_CA"])
    assert await shake_hands(server, client, name) == b"hello"


async def test_without_a_certificate_nobody_gets_in(tmp_path: Path) -> None:
    consent = Certificates(RunDir(tmp_path)).env("consent_svc")
    server = context(ssl.Purpose.CLIENT_AUTH, consent, consent["ASSENT_TLS_CA"])
    client = context(ssl.Purpose.SERVER_AUTH, None, consent["ASSENT_TLS_CA"])
    assert await is_turned_away(server, client)


async def test_another_machines_certificate_is_worth_nothing(tmp_path: Path) -> None:
    here = Certificates(RunDir(tmp_path / "here")).env("consent_svc")
    there = Certificates(RunDir(tmp_path / "there")).env("gateway")
    server = context(ssl.Purpose.CLIENT_AUTH, here, here["ASSENT_TLS_CA"])
    client = context(ssl.Purpose.SERVER_AUTH, there, here["ASSENT_TLS_CA"])
    assert await is_turned_away(server, client)


def test_certificates_are_made_once_and_keys_are_private(tmp_path: Path) -> None:
    first = Certificates(RunDir(tmp_path)).env("gateway")
    before = Path(first["ASSENT_TLS_CERT"]).read_bytes()
    assert Certificates(RunDir(tmp_path)).env("gateway") == first
    assert Path(first["ASSENT_TLS_CERT"]).read_bytes() == before
    assert Path(first["ASSENT_TLS_KEY"]).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700


async def test_a_token_is_verified_by_the_published_keys(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, dict)
    client = Client.of_gateway("http://127.0.0.1:8080", "assent-pages", None)
    transport = httpx.ASGITransport(application(issuer.key, issuer.url, client, Codes()))
    async with httpx.AsyncClient(transport=transport, base_url=issuer.url) as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
        assert document["issuer"] == issuer.url
        keys = jwt.PyJWKSet.from_dict((await http.get(document["jwks_uri"])).json())
    token = issuer.env()["ASSENT_OWNER_TOKEN"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="assent", issuer=issuer.url)
    assert claims["sub"] == "owner-demo"
    assert claims["exp"] - claims["iat"] > 24 * 3600
    assert "d" not in keys.keys[0]._jwk_data  # the private exponent


def test_the_owners_token_stays_the_same_until_the_issuer_moves(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path, dict)
    token = issuer.owner_token()
    assert issuer.owner_token() == token
    issuer.run_dir.move_port("issuer")
    assert jwt.decode(issuer.owner_token(), options={"verify_signature": False})["iss"] == issuer.url
