"""A gateway in memory: the design's HTTP API as far as the pages use it, and the real pages."""

import asyncio
import itertools
import uuid
from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.web.fake_lists import page_of
from tests.web.fake_meeting import NOTICES, Answered, FakeMeeting
from tests.web.fake_problem import Problem, problem_json
from tests.web.fake_session import FakeSession, token_of
from tests.web.fake_tokens import OWNER, claims_of, participant_token, receipt_token
from tests.web.fake_transcripts import edited, found, piece_of
from tests.web.pages import with_pages


class FakeGateway:
    """State that tests look into, and the application that serves it."""

    def __init__(self, whereby_origin: str) -> None:
        self.whereby_origin = whereby_origin
        self.rooms: list[str] = []
        self.meetings: dict[str, FakeMeeting] = {}
        self.recordings: dict[str, dict[str, Any]] = {}
        self.transcripts: dict[str, dict[str, Any]] = {}
        self.audio: dict[str, bytes] = {}
        self.withheld: dict[str, tuple[int, str]] = {}  # transcript id -> status and reason instead of its audio
        self.queries: list[str] = []
        self.opened: list[str] = []  # the rooms whose meetings were asked for
        self.page_size = 50
        self.session = FakeSession()
        self.edits_fail_with: tuple[int, str] | None = None
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.sockets: dict[str, set[WebSocket]] = defaultdict(set)
        self.listened: dict[str, list[int]] = defaultdict(list)  # after which number each line was opened
        self._revisions = itertools.count(1)

    def application(self) -> FastAPI:
        """Serves everything; one for each instance."""
        api = [
            *self.session.routes,
            Route("/v1/rooms", self.list_rooms),
            Route("/v1/rooms", self.create_room, methods=["POST"]),
            Route("/v1/rooms/{name}/meeting", self.open_meeting, methods=["POST"]),
            Route("/v1/rooms/{name}/meetings", self.list_meetings),
            Route("/v1/meetings/{id}", self.get_meeting),
            Route("/v1/meetings/{id}/consent", self.get_consent),
            Route("/v1/meetings/{id}/consent", self.submit_answer, methods=["POST"]),
            Route("/v1/meetings/{id}/consent/receipt", self.get_receipt),
            Route("/v1/notices/{hash}", self.get_notice),
            Route("/v1/recordings", self.list_recordings),
            Route("/v1/recordings/{id}", self.get_recording),
            Route("/v1/recordings/{id}/certificate", self.get_certificate),
            Route("/v1/transcripts", self.list_transcripts),
            Route("/v1/transcripts/{id}", self.get_transcript),
            Route("/v1/transcripts/{id}", self.change_transcript, methods=["PATCH"]),
            Route("/v1/transcripts/{id}/segments/{index:int}", self.edit_segment, methods=["PATCH"]),
            Route("/v1/transcripts/{id}/text", self.get_text),
            Route("/v1/transcripts/{id}/audio/{file}", self.get_audio),
            WebSocketRoute("/v1/meetings/{id}/events", self.follow),
            WebSocketRoute("/v1/transcripts/{id}/events", self.follow),
        ]
        app = with_pages(api, self.whereby_origin)
        app.add_exception_handler(Problem, problem_json)
        return app

    async def emit(self, subject: str, event: str, **data: Any) -> None:
        """Tell everybody who follows this meeting or transcript, and keep it for those who come later."""
        self.events[subject].append({"event": event, "data": data})
        told = self._numbered(subject)[-1]
        for socket in list(self.sockets[subject]):
            await socket.send_json(told)

    def _numbered(self, subject: str) -> list[dict[str, Any]]:
        """Its events as they are sent: those of a transcript have numbers."""
        if subject not in self.transcripts:
            return self.events[subject]
        return [{**told, "sequence": number} for number, told in enumerate(self.events[subject], start=1)]

    async def list_rooms(self, request: Request) -> Response:
        self._require_owner(request)
        return page_of("rooms", [{"name": name} for name in self.rooms], request, self.page_size)

    async def create_room(self, request: Request) -> Response:
        self._require_owner(request)
        name = (await request.json())["name"]
        if name in self.rooms:
            raise Problem(409, "ROOM_EXISTS", f"there is a room {name} already")
        self.rooms.append(name)
        return JSONResponse({"name": name}, 201)

    async def open_meeting(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.rooms:
            raise Problem(404, "ROOM_NOT_FOUND", f"no room {name}")
        meeting = next((each for each in self.meetings.values() if each.room == name and each.is_active), None)
        if meeting is None:
            meeting_id = str(uuid.uuid4())
            meeting = FakeMeeting(meeting_id, name, f"{self.whereby_origin}/{name}-{meeting_id[:8]}")
            self.meetings[meeting_id] = meeting
        claims = self._claims_if_any(request)
        known = claims and (claims.get("meeting_id") == meeting.id or claims["aud"] == "assent")
        participant = claims["sub"] if claims and known else uuid.uuid4().hex
        meeting.people.add(participant)
        return JSONResponse(
            {
                "meeting": self._shown(meeting, is_owner=participant == OWNER),
                "participant": {"id": participant, "token": participant_token(meeting.id, participant)},
                "consent": self._consent(meeting, participant),
            }
        )

    async def list_meetings(self, request: Request) -> Response:
        self._require_owner(request)
        name = request.path_params["name"]
        self.opened.append(name)
        listed = [self._shown(each, is_owner=True) for each in self.meetings.values() if each.room == name]
        return page_of("meetings", sorted(listed, key=lambda one: str(one["start_time"]), reverse=True), request)

    async def get_meeting(self, request: Request) -> Response:
        meeting, participant = self._meeting(request)
        return JSONResponse(self._shown(meeting, is_owner=participant == OWNER))

    async def get_consent(self, request: Request) -> Response:
        meeting, participant = self._meeting(request)
        return JSONResponse(self._consent(meeting, participant))

    async def submit_answer(self, request: Request) -> Response:
        meeting, participant = self._meeting(request)
        body = await request.json()
        if not isinstance(body.get("consent_given"), bool):
            raise Problem(422, "ANSWER_MISSING", "consent_given must be true or false")
        key = request.headers["Idempotency-Key"]
        mine = meeting.answers.get(participant)
        if key not in meeting.by_request:
            if mine and mine.revision > body.get("known_revision", mine.revision):
                raise Problem(409, "ANSWER_CHANGED", "a newer answer of yours stands")
            meeting.by_request[key] = Answered(
                body["consent_given"], next(self._revisions), body["notice_version"], body["language"]
            )
            meeting.answers[participant] = meeting.by_request[key]
            await self.emit(meeting.id, "CONSENT", counts=meeting.counts())
        answer = meeting.by_request[key]
        return JSONResponse({"status": "success", "consent_id": key, **answer.shown()})

    async def get_receipt(self, request: Request) -> Response:
        meeting, participant = self._meeting(request)
        if participant not in meeting.answers:
            raise Problem(404, "ANSWER_NOT_FOUND", "no answer yet")
        url = f"{str(request.base_url).rstrip('/')}/consent/{receipt_token(meeting.id, participant)}"
        return JSONResponse(meeting.receipt(participant, url))

    async def get_notice(self, request: Request) -> Response:
        return JSONResponse(NOTICES[request.path_params["hash"]])

    async def list_recordings(self, request: Request) -> Response:
        self._require_owner(request)
        wanted = request.query_params.get("meeting_id")
        found = [each for each in self.recordings.values() if wanted in (None, each["meeting_id"])]
        return page_of("recordings", found, request)

    async def get_recording(self, request: Request) -> Response:
        self._require_owner(request)
        if request.path_params["id"] not in self.recordings:
            raise Problem(404, "RECORDING_NOT_FOUND", "no such recording")
        return JSONResponse(self.recordings[request.path_params["id"]])

    async def get_certificate(self, request: Request) -> Response:
        self._require_owner(request)
        recording = self.recordings[request.path_params["id"]]
        if recording["state"] != "erased":
            raise Problem(409, "NOT_ERASED", "the audio is not yet verified gone")
        return JSONResponse({"certificate": f"header.{recording['id']}.signature"})

    async def list_transcripts(self, request: Request) -> Response:
        meeting_id = request.query_params.get("meeting_id", "")
        if self._required_claims(request).get("meeting_id", "") != meeting_id:
            self._require_owner(request)
        self.queries.append(request.query_params.get("query", ""))
        listed = found(self.transcripts.values(), self.queries[-1])
        wanted = [each for each in listed if not meeting_id or each["meeting_id"] == meeting_id]
        return page_of("transcripts", wanted, request, self.page_size)

    async def get_transcript(self, request: Request) -> Response:
        return JSONResponse(self._transcript(request))

    async def change_transcript(self, request: Request) -> Response:
        self._require_owner(request)
        transcript = self._transcript(request)
        transcript.update(await request.json())
        return JSONResponse(transcript)

    async def edit_segment(self, request: Request) -> Response:
        self._require_owner(request)
        transcript = self._transcript(request)
        if transcript["locked"]:
            raise Problem(409, "TRANSCRIPT_LOCKED", "it is locked: unlock it first")
        if self.edits_fail_with:
            raise Problem(*self.edits_fail_with, "no edit is taken")
        segment = edited(transcript["segments"][request.path_params["index"]], (await request.json())["text"])
        transcript["segments"][segment["index"]] = segment
        await self.emit(transcript["id"], "TRANSCRIPT", **segment)
        return JSONResponse(segment)

    async def get_text(self, request: Request) -> Response:
        segments = self._transcript(request)["segments"]
        return PlainTextResponse("\n".join(segment["text"] for segment in segments))

    async def get_audio(self, request: Request) -> Response:
        transcript_id = self._transcript(request)["id"]
        if transcript_id in self.withheld:
            raise Problem(*self.withheld[transcript_id], "the audio is not handed out")
        if request.path_params["file"] == "waveform":
            return JSONResponse({"waveform": [0.1, 0.8, 0.4, 0.9, 0.2] * 60})
        return piece_of(self.audio[transcript_id], request)

    async def follow(self, socket: WebSocket) -> None:
        """Replay, then live; the token comes as a subprotocol."""
        if "assent.v1" not in socket.scope["subprotocols"] or claims_of(token_of(socket)) is None:
            await socket.close(4401)
            return
        await socket.accept("assent.v1")
        subject = socket.path_params["id"]
        after = int(socket.query_params.get("after", "0"))
        self.listened[subject].append(after)
        for told in self._numbered(subject)[after:]:
            await socket.send_json(told)
        self.sockets[subject].add(socket)
        try:
            await socket.receive()
        except WebSocketDisconnect:
            pass
        finally:
            self.sockets[subject].discard(socket)

    async def drop_connections(self, subject: str) -> None:
        """Break every line, as a restart would."""
        await asyncio.gather(*(socket.close(1012) for socket in list(self.sockets[subject])))

    def _meeting(self, request: Request) -> tuple[FakeMeeting, str]:
        claims = self._required_claims(request)
        meeting = self.meetings.get(request.path_params["id"])
        if meeting is None:
            raise Problem(404, "MEETING_NOT_FOUND", "no such meeting")
        if claims["aud"] != "assent" and claims["meeting_id"] != meeting.id:
            raise Problem(403, "NOT_A_PARTICIPANT", "the token is for another meeting")
        return meeting, claims["sub"]

    def _transcript(self, request: Request) -> dict[str, Any]:
        own = self._required_claims(request).get("meeting_id")
        transcript = self.transcripts.get(request.path_params["id"])
        if transcript is None or own not in (None, transcript["meeting_id"]):
            raise Problem(404, "TRANSCRIPT_NOT_FOUND", "no such transcript")
        return transcript

    def _require_owner(self, request: Request) -> None:
        if self._required_claims(request)["aud"] != "assent":
            raise Problem(403, "NOT_THE_OWNER", "only the owner may")

    def _required_claims(self, request: Request) -> dict[str, Any]:
        claims = self._claims_if_any(request)
        if claims is None:
            raise Problem(401, "TOKEN_INVALID", "sign in")
        return claims

    def _claims_if_any(self, request: Request) -> dict[str, Any] | None:
        token = token_of(request)
        if not token:
            return None
        claims = claims_of(token)
        if claims is None:
            raise Problem(401, "TOKEN_INVALID", "the token is not valid")
        if claims["aud"] == "assent-receipt" and "/consent" not in request.url.path:
            raise Problem(403, "RECEIPT_ONLY", "a receipt's token shows and changes one answer")
        return claims

    def _shown(self, meeting: FakeMeeting, is_owner: bool) -> dict[str, Any]:
        shown = {
            "id": meeting.id,
            "room": meeting.room,
            "room_url": meeting.room_url,
            "start_time": meeting.started_at,
            "is_active": meeting.is_active,
        }
        return shown | ({"host_room_url": f"{meeting.room_url}?roomKey=secret"} if is_owner else {})

    def _consent(self, meeting: FakeMeeting, participant: str) -> dict[str, Any]:
        answer = meeting.answers.get(participant)
        return {"meeting_id": meeting.id, "answer": answer and answer.shown(), "counts": meeting.counts()}
