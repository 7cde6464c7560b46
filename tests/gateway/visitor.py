"""A browser at the gateway, as far as its cookies and its origin go."""

from http.cookies import SimpleCookie
from typing import Any

import httpx


class Visitor:
    """A browser at the gateway: keeps cookies, follows nothing by itself, and says where its pages are from."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20)
        self.url = url

    async def begin(self, return_to: str = "/meetings/4711") -> str:
        """Where the browser is sent to sign in."""
        sent = await self.http.get("/v1/sign-in", params={"return_to": return_to})
        assert sent.status_code == 303, sent.text
        return sent.headers["location"]

    async def come_back(self, url: str) -> str:
        """Where it is sent after that."""
        assert url.startswith(f"{self.url}/v1/sign-in/callback?")
        back = await self.http.get(url)
        assert back.status_code == 303, back.text
        return back.headers["location"]

    async def session(self) -> dict[str, Any]:
        session: dict[str, Any] = (await self.http.get("/v1/session")).raise_for_status().json()
        return session

    @property
    def own(self) -> dict[str, str]:
        """What a browser adds to what our pages ask."""
        return {"Origin": self.url}


def cookies_of(response: httpx.Response) -> list[Any]:
    """The cookies that a response sets."""
    return [next(iter(SimpleCookie(line).values())) for line in response.headers.get_list("set-cookie")]
