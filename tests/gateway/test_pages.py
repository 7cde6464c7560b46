"""Pages of the front door, and what browsers are told with them."""

import gzip

import pytest

from gateway.pages import WEB
from tests.gateway.conftest import Stack


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", "home.html"),
        ("/weekly", "room.html"),
        ("/meetings/4711", "meeting.html"),
        ("/transcripts/t1", "transcript.html"),
        ("/consent/a.b.c", "consent.html"),
        ("/static/api.js", "api.js"),
        ("/static/texts/en.json", "texts/en.json"),
    ],
)
async def test_pages_are_served_with_a_strict_policy(stack: Stack, path: str, file: str) -> None:
    reply = await stack.http.get(path)
    assert reply.status_code == 200
    assert reply.content == (WEB / file).read_bytes()
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    host = stack.url.removeprefix("http://")
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'sha256-wWkhDcvkWlEEFofM+oCKyKaIPQKTy4KP7Elu/UcEYFs='",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "frame-src": "https://*.whereby.com http://127.0.0.1:9999",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/", "/weekly", "/meetings/4711", "/transcripts/t1", "/consent/a.b.c", "/static/api.js", "/docs", "/openapi.json"],
)
async def test_the_head_of_a_page_is_that_of_the_page(stack: Stack, path: str) -> None:
    as_it_is = {"Accept-Encoding": "identity"}
    page, head = await stack.http.get(path, headers=as_it_is), await stack.http.head(path, headers=as_it_is)
    assert (head.status_code, head.content, head.headers["x-request-id"] != "") == (200, b"", True)
    own = {"date", "x-request-id", "vary"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in page.headers.items() if k not in own
    }


async def test_files_of_pages_come_compressed_where_the_browser_takes_it(stack: Stack) -> None:
    plain = (WEB / "style.css").read_bytes()
    async with stack.http.stream("GET", "/static/style.css", headers={"Accept-Encoding": "gzip"}) as reply:
        sent = b"".join([part async for part in reply.aiter_raw()])
    assert (reply.headers["content-encoding"], reply.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(sent) == plain
    assert len(sent) < len(plain) / 2
    whole = await stack.http.get("/static/style.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in whole.headers
    assert whole.content == plain
    again = await stack.http.get("/static/style.css", headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_name_that_can_be_no_room_is_explained_to_people_and_told_to_programs(stack: Stack) -> None:
    page = await stack.http.get("/My%20Room", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.content) == (404, (WEB / "room.html").read_bytes())
    told = await stack.http.get("/My%20Room", headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["reason"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("path", ["/a/b/c", "/weekly/", "/meetings/a.b", "/consent/a/b"])
async def test_an_address_that_leads_nowhere_is_explained_to_people_and_told_to_programs(
    stack: Stack, path: str
) -> None:
    page = await stack.http.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.content) == (404, (WEB / "nowhere.html").read_bytes())
    assert page.headers["referrer-policy"] == "no-referrer"  # it may be a receipt's link that was cut
    told = await stack.http.get(path, headers={"Accept": "*/*"})
    assert (told.status_code, told.json()["reason"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1", "/v1/none", "/v1/meetings/4711/none"])
async def test_the_api_tells_everybody_as_a_program(stack: Stack, path: str) -> None:
    ours = await stack.http.get(path, headers={"Accept": "text/html"})
    assert (ours.status_code, ours.json()["reason"]) == (404, "ROUTE_NOT_FOUND")


async def test_docs_load_nothing_from_elsewhere(stack: Stack) -> None:
    page = (await stack.http.get("/docs")).text
    assert "/v1/meetings/{meeting_id}/consent" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
