"""Tells the story: `python -m deploy.demo`. Starts the stack where it does not run; leaves it running."""

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.demo.api import Assent, StandIn, UnexpectedError, expect
from deploy.demo.audio import Places
from deploy.demo.papers import Papers
from deploy.demo.proofs import Proofs
from deploy.demo.screen import Screen
from deploy.demo.story import Call, Heard, Story
from deploy.local import PartError, Stack


def main() -> int:
    """The exit status is 0 only if every sentence of the story was observed."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a transcript may have letters that the terminal lacks
    screen = Screen(sys.stdout)
    try:
        run(screen)
    except (UnexpectedError, PartError) as failure:
        screen.failure(str(failure))
        return 1
    except KeyboardInterrupt:
        screen.failure("Interrupted. The stack goes on running: `make down` stops it.")
        return 130
    return 0


def run(screen: Screen) -> None:
    """Start what is missing, tell the story, say where its pages are."""
    screen.title("Assent keeps the audio of a meeting only where everyone asked agreed, and can prove it.")
    with screen.step("The stack on this machine"):
        stack = Stack(say=screen.line)
        variables = stack.up()
    story = make(variables, stack.run_dir.path, screen)
    second, refused, agreed = story.tell()
    with screen.step("6. See for yourself"):
        show_pages(story.owner, second, (refused, agreed), screen)
        screen.say("Anybody may open a room. For the other pages sign in as owner-demo: all of this is the owner's.")
        screen.say("Ben may still change his mind: open his page in another browser, and that audio is erased too.")
        screen.line(f"{story.owner.url}/meetings/{second.meeting_id}#token={second.ben.assent.token}")
    screen.total()
    screen.line("The stack goes on running. Stop it with: make down")


def make(variables: Mapping[str, str], run_dir: Path, screen: Screen) -> Story:
    """The story, with everything it needs."""
    owner = Assent(variables["ASSENT_GATEWAY_URL"], variables["ASSENT_OWNER_TOKEN"])
    stand_in = StandIn(variables["ASSENT_WHEREBY_API_URL"])
    stand_in.rooms()
    places = Places(variables)
    key = Path(variables["ASSENT_CERTIFICATE_PUBLIC_KEY_FILE"])
    proofs = Proofs(owner, places, frozenset(places.listed()), key, run_dir / "certificates", screen)
    papers = Papers(owner, run_dir / "answers", screen)
    return Story(owner, stand_in, proofs, papers, screen)


def show_pages(owner: Assent, call: Call, heard: tuple[Heard, Heard], screen: Screen) -> None:
    """Where to look in a browser. Every page was asked for before it is named."""
    first, second = (f"/transcripts/{one.transcript['id']}" for one in heard)
    mine = f"try-{secrets.token_hex(2)}"
    owner.post("/v1/rooms", {"name": mine}, status=201)
    pages = {"home": "/", "room": f"/{call.room}", "its meeting": f"/meetings/{call.meeting_id}"}
    pages |= {"erased": first, "kept": second, "a room for you": f"/{mine}"}
    stranger = owner.seen_by(None)
    for name, path in pages.items():
        answer = stranger.ask("GET", path)
        kind = answer.headers.get("Content-Type", "none")
        is_page = answer.status_code == 200 and kind.startswith("text/html")
        expect(is_page, f"a page at {path}", f"status {answer.status_code}, Content-Type {kind}")
        screen.fact(name, f"{owner.url}{path}")
    screen.say(
        "Open your room in two browsers and answer; when both have left, the recording arrives on the home page."
    )


if __name__ == "__main__":
    sys.exit(main())
