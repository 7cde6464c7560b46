"""Signing in at the local issuer: a whole flow against its process, and every request that must be refused."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import jwt
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

from deploy.local.issuer.stand_in import Issuer
from tests.deploy.sign_in import ASKED, CALLBACK, GATEWAY, SIGN_IN, VERIFIER, Browser, Given, sent_back


def claims_of(issuer: Issuer, keys: object, token: str, audience: str) -> dict[str, object]:
    """What a token says that this issuer signed for this audience."""
    assert isinstance(keys, dict)
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer.url)
    return claims


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_somebody_signs_in_at_the_process_that_make_up_starts(tmp_path: Path, method: str) -> None:
    part = Issuer(tmp_path, lambda: made)
    made = {"ASSENT_GATEWAY_URL": GATEWAY, **part.env()}
    with part as issuer:
        async with (
            httpx.AsyncClient(trust_env=False) as browser,
            AsyncOAuth2Client(
                made["ASSENT_OIDC_CLIENT_ID"],
                made["ASSENT_OIDC_CLIENT_SECRET"],
                token_endpoint_auth_method=method,
                redirect_uri=CALLBACK,
                scope="openid",
                code_challenge_method="S256",
                trust_env=False,
            ) as gateway,
        ):
            offered = (await browser.get(f"{issuer.url}/.well-known/openid-configuration")).json()
            keys = (await browser.get(offered["jwks_uri"])).json()
            url, state = gateway.create_authorization_url(
                offered["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1"
            )
            assert 'value="owner-demo"' in (await browser.get(url)).text
            back = await browser.post(url, data={"sub": "owner-demo", "decision": "sign-in"})
            assert sent_back(back).keys() == {"code", "state", "iss"}
            redeemed = {
                "url": offered["token_endpoint"],
                "authorization_response": back.headers["Location"],
                "state": state,
                "code_verifier": VERIFIER,
            }
            tokens = await gateway.fetch_token(**redeemed)
            with pytest.raises(OAuthError, match="invalid_grant"):
                await gateway.fetch_token(**redeemed)
    said = claims_of(issuer, keys, tokens["id_token"], "assent-pages")
    assert said.keys() == {"iss", "aud", "sub", "nonce", "iat", "exp"}
    assert (said["sub"], said["nonce"]) == ("owner-demo", "n-1")
    assert claims_of(issuer, keys, tokens["access_token"], "assent")["sub"] == "owner-demo"


async def test_discovery_tells_what_the_flow_needs(browser: Browser) -> None:
    offered = (await browser.http.get("/.well-known/openid-configuration")).json()
    expected = {
        "issuer": browser.issuer.url,
        "authorization_endpoint": f"{browser.issuer.url}/authorize",
        "token_endpoint": f"{browser.issuer.url}/token",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
    assert {name: offered[name] for name in expected} == expected


async def test_the_page_says_what_it_is_and_runs_no_script(browser: Browser) -> None:
    page = await browser.ask({})
    assert page.status_code == 200
    assert "local stand-in for a company&rsquo;s identity provider" in page.text
    assert GATEWAY in page.text
    assert "<script" not in page.text
    assert re.search(r'<label for="sub">.*<input id="sub"', page.text, re.DOTALL)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


async def test_a_code_comes_back_with_the_state_and_the_issuers_name(browser: Browser) -> None:
    back = sent_back(await browser.ask({}, SIGN_IN))
    assert back.keys() == {"code", "state", "iss"}
    assert (back["state"], back["iss"]) == (ASKED["state"], browser.issuer.url)


async def test_whoever_cancels_goes_back_without_a_code(browser: Browser) -> None:
    back = sent_back(await browser.ask({}, {"sub": "ana", "decision": "cancel"}))
    assert "code" not in back
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", ASKED["state"], browser.issuer.url)


@pytest.mark.parametrize("said", [None, SIGN_IN, {"decision": "cancel"}], ids=["asked", "signed in", "cancelled"])
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "somebody-else"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/v1/sign-in/callback"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?next=https://evil.example"},
        {"redirect_uri": CALLBACK.replace("127.0.0.1", "localhost")},
        {"redirect_uri": CALLBACK.replace("/v1", "/V1")},
        {"redirect_uri": GATEWAY},
        {"client_id": "somebody-else", "response_type": "token"},
    ],
)
async def test_an_unknown_client_or_address_is_never_sent_anywhere(
    browser: Browser, changed: Given, said: Mapping[str, str] | None
) -> None:
    response = await browser.ask(changed, said)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_nor_is_one_that_is_named_twice(browser: Browser, name: str) -> None:
    response = await browser.http.get("/authorize", params=[*ASKED.items(), (name, ASKED[name])])
    assert (response.status_code, "Location" in response.headers) == (400, False)


@pytest.mark.parametrize("said", [None, SIGN_IN], ids=["asked", "signed in"])
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_wrong_request_of_the_client_is_told_to_it(
    browser: Browser, changed: Given, error: str, said: Mapping[str, str] | None
) -> None:
    back = sent_back(await browser.ask(changed, said))
    assert (back["error"], back["state"], "code" in back) == (error, ASKED["state"], False)


async def test_a_parameter_that_came_twice_is_refused(browser: Browser) -> None:
    response = await browser.http.get("/authorize", params=[*ASKED.items(), ("scope", "openid")])
    assert sent_back(response)["error"] == "invalid_request"


@pytest.mark.parametrize("sub", ["", "   ", "with space", "é", "x" * 256, '"> <script>alert(1)</script>'])
async def test_somebody_who_cannot_be_anybody_is_asked_again(browser: Browser, sub: str) -> None:
    response = await browser.ask({}, {"sub": sub, "decision": "sign-in"})
    assert response.status_code == 400
    assert 'aria-invalid="true"' in response.text
    assert 'role="alert"' in response.text
    assert "<script" not in response.text
