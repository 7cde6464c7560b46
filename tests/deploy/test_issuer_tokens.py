"""What the local issuer gives for a code: once, to its client alone, and for a minute."""

import jwt
import pytest

from deploy.local.issuer.codes import GOOD_FOR
from tests.deploy.sign_in import CHALLENGE, GATEWAY, SECRET, SIGN_IN, Browser, Given, sent_back


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"code": None}, 400, "invalid_request"),
        ({"code": "made up"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"redirect_uri": f"{GATEWAY}/elsewhere"}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, 400, "invalid_grant"),
        ({"client_secret": "a guess"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": "somebody-else"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
    ],
)
async def test_a_code_alone_is_worth_nothing(browser: Browser, changed: Given, status: int, error: str) -> None:
    response = await browser.redeem(await browser.code(), changed)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


async def test_a_code_is_good_once(browser: Browser) -> None:
    code = await browser.code()
    assert (await browser.redeem(code, {})).status_code == 200
    assert (await browser.redeem(code, {})).json()["error"] == "invalid_grant"


async def test_a_verifier_cannot_be_guessed_at(browser: Browser) -> None:
    code = await browser.code()
    await browser.redeem(code, {"code_verifier": "w" * 43})
    assert (await browser.redeem(code, {})).json()["error"] == "invalid_grant"


async def test_whoever_is_not_the_client_cannot_spoil_its_code(browser: Browser) -> None:
    code = await browser.code()
    await browser.redeem(code, {"client_secret": "a guess"})
    assert (await browser.redeem(code, {})).status_code == 200


@pytest.mark.parametrize(("later", "status"), [(GOOD_FOR - 1, 200), (GOOD_FOR, 400)])
async def test_a_code_is_good_for_a_minute(browser: Browser, later: float, status: int) -> None:
    code = await browser.code()
    browser.clock.now += later
    assert (await browser.redeem(code, {})).status_code == status


@pytest.mark.parametrize(
    ("given", "auth", "status"),
    [
        ({"client_id": None, "client_secret": None}, ("assent-pages", SECRET), 200),
        ({"client_secret": None}, ("assent-pages", SECRET), 200),
        ({"client_secret": None}, ("assent-pages", "a guess"), 401),
        ({"client_secret": None}, ("somebody-else", SECRET), 401),
        ({"client_id": "somebody-else", "client_secret": None}, ("assent-pages", SECRET), 401),
        ({}, ("assent-pages", SECRET), 401),
    ],
)
async def test_the_client_proves_who_it_is_by_header_once(
    browser: Browser, given: Given, auth: tuple[str, str], status: int
) -> None:
    encoded = tuple(
        part.replace("%", "%25").replace("+", "%2B").replace(":", "%3A") for part in auth
    )  # RFC 6749, 2.3.1
    response = await browser.redeem(await browser.code(), given, (encoded[0], encoded[1]))
    assert response.status_code == status


async def test_a_header_that_is_not_basic_is_no_proof(browser: Browser) -> None:
    for header in ("Bearer x", "Basic", "Basic ÿ", "Basic bm8tY29sb24="):
        response = await browser.http.post(
            "/token", data={"grant_type": "authorization_code"}, headers=[(b"Authorization", header.encode("latin-1"))]
        )
        assert response.json()["error"] == "invalid_client"


@pytest.mark.parametrize(("secret", "status"), [(None, 200), ("something", 401)])
async def test_a_public_client_has_its_verifier_and_no_secret(public: Browser, secret: str | None, status: int) -> None:
    offered = (await public.http.get("/.well-known/openid-configuration")).json()
    assert offered["token_endpoint_auth_methods_supported"] == ["none"]
    assert (await public.redeem(await public.code(), {"client_secret": secret})).status_code == status
    guessed = await public.redeem(await public.code(), {"client_secret": None, "code_verifier": "w" * 43})
    assert guessed.json()["error"] == "invalid_grant"


async def test_a_body_of_another_kind_is_refused(browser: Browser) -> None:
    for response in (
        await browser.http.post("/token", json={"grant_type": "authorization_code"}),
        await browser.http.post("/token", data={"code": ["one", "two"]}),
        await browser.http.get("/token"),
    ):
        assert response.status_code in (400, 405)


async def test_without_a_nonce_there_is_none_in_the_token(browser: Browser) -> None:
    code = sent_back(await browser.ask({"nonce": None, "state": None}, SIGN_IN))["code"]
    token = (await browser.redeem(code, {})).json()["id_token"]
    assert "nonce" not in jwt.decode(token, options={"verify_signature": False})
