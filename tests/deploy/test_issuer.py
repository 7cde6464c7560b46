"""Signing in at the local issuer: a whole flow against its process, and every request that must be refused."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError

from deploy.local.issuer.__main__ import application
from deploy.local.issuer.clients import Client
from deploy.local.issuer.codes import GOOD_FOR, Codes
from deploy.local.issuer.stand_in import Issuer

GATEWAY = "http://127.0.0.1:8080"
CALLBACK = f"{GATEWAY}/v1/sign-in/callback"
SECRET = "a secret: with + and % in it"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "assent-pages",
    "redirect_uri": CALLBACK,
    "scope": "openid",
    "state": "a state & more",
    "nonce": "once",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
SIGN_IN = {"sub": "ana", "decision": "sign-in"}
Given = Mapping[str, str | None]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """Somebody in front of the issuer, and the gateway behind it."""

    def __init__(self, issuer: Issuer, secret: str | None) -> None:
        self.clock = Clock()
        self.issuer = issuer
        client = Client.of_gateway(GATEWAY, "assent-pages", secret)
        app = application(self.issuer.key, self.issuer.url, client, Codes(self.clock))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=self.issuer.url)

    async def ask(self, changed: Given, said: Mapping[str, str] | None = None) -> httpx.Response:
        """GET /authorize, or POST what was said there."""
        asked = _changed(ASKED, changed)
        if said is None:
            return await self.http.get("/authorize", params=asked)
        return await self.http.post("/authorize", params=asked, data=dict(said))

    async def code(self, sub: str = "ana") -> str:
        return sent_back(await self.ask({}, SIGN_IN | {"sub": sub}))["code"]

    async def redeem(self, code: str, changed: Given, auth: tuple[str, str] | None = None) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": "assent-pages",
            "client_secret": SECRET,
        }
        return await self.http.post("/token", data=_changed(form, changed), auth=auth or httpx.USE_CLIENT_DEFAULT)


def _changed(these: Mapping[str, str], changed: Given) -> dict[str, str]:
    return {name: value for name, value in {**these, **changed}.items() if value is not None}


def sent_back(response: httpx.Response) -> dict[str, str]:
    """What the gateway is told by way of the browser."""
    assert response.status_code == 303
    target = urlsplit(response.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    return dict(parse_qsl(target.query, strict_parsing=True))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"), dict)


@pytest.fixture
async def browser(issuer: Issuer) -> AsyncIterator[Browser]:
    made = Browser(issuer, SECRET)
    async with made.http:
        yield made


@pytest.fixture
async def public(issuer: Issuer) -> AsyncIterator[Browser]:
    made = Browser(issuer, None)
    async with made.http:
        yield made


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
