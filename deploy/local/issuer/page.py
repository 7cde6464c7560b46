"""What a person sees of the issuer: the question who they want to be, and why a request goes nowhere."""

from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
QUESTION = Template("""\
<p>This is the local stand-in for a company&rsquo;s identity provider. It runs on this machine only and asks for no
  password: say who you want to be.</p>
<p>Afterwards you go back to <b>$client</b>.</p>
<form method="post">
  <label for="sub">Sign in as</label>
  <input id="sub" name="sub" value="$sub" required maxlength="255" autocomplete="username" autocapitalize="none"
    spellcheck="false"$marks>
  $complaint
  <button class="primary" name="decision" value="sign-in">Sign in</button>
  <button name="decision" value="cancel" formnovalidate>Cancel</button>
</form>""")
COMPLAINT = '<p id="wrong" role="alert">1 to 255 letters, digits and signs of ASCII, without a space.</p>'


def question(sub: str, redirect_uri: str, wrong: bool = False) -> HTMLResponse:
    """Who do you want to be? `wrong` says that `sub` cannot be anybody."""
    parts = urlsplit(redirect_uri)
    client = f"{parts.scheme}://{parts.netloc}"
    content = QUESTION.substitute(
        client=escape(client),
        sub=escape(sub),
        marks=' aria-invalid="true" aria-describedby="wrong"' if wrong else "",
        complaint=COMPLAINT if wrong else "",
    )
    # Browsers hold form-action against where the answer redirects to, as well.
    return _page("Sign in on this machine", content, 400 if wrong else 200, f"'self' {client}")


def refused(why: str) -> HTMLResponse:
    """A request that nobody may be sent back with."""
    return _page("This sign-in cannot go on", f"<p>{escape(why)} Go back and begin again.</p>", 400, "'none'")


def _page(title: str, content: str, status: int, form_action: str) -> HTMLResponse:
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {form_action}"
    )
    html = PAGE.substitute(title=escape(title), content=content)
    return HTMLResponse(html, status, HEADERS | {"Content-Security-Policy": policy})
