/** The room's page: joins the call at once and lays the question about the audio over it. */

import "./call-frame.js";
import "./recording-consent.js";
import { Api, backOffMs } from "./api.js";
import { whyFailed } from "./failures.js";
import { idFromAddress, showProblem, showSignedIn, startPage } from "./page.js";
import { dropRefused, keepParticipant, participantTokenOfRoom, signedInTokens } from "./session.js";

const call = document.querySelector("call-frame");
const question = document.querySelector("recording-consent");
const notice = document.querySelector("#notice");
const roomName = idFromAddress();
const texts = await startPage();

document.title = roomName;
document.querySelector("#room-name").textContent = roomName;
reactToTheCall();
await enter();

async function enter() {
  for (let attempt = 0; ; attempt++) {
    try {
      await join(await openMeeting());
      return;
    } catch (error) {
      if (!error.isTemporary) {
        explain(error);
        return;
      }
      const wait = backOffMs(attempt, error.retryAfterSeconds);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        const tryNow = () => (clearTimeout(timer), resolve());
        showProblem(notice, texts.say("room.unavailable_title"), texts.say("room.unavailable"), {
          label: texts.say("page.try_again"),
          onClick: tryNow,
        });
      });
    }
  }
}

/** Opens the meeting as the same person as last time, if this browser has been here before. */
async function openMeeting() {
  const path = `/v1/rooms/${encodeURIComponent(roomName)}/meeting`;
  const known = [...(await signedInTokens()), participantTokenOfRoom(roomName)].filter(Boolean);
  for (const token of [...new Set(known), null]) {
    try {
      const opened = await new Api({ token }).post(path, {});
      return { ...opened, token: opened.participant.token ?? token };
    } catch (error) {
      // A token that is too old or for something else must not keep anybody out: go on as somebody new.
      if (token === null || (error.status !== 401 && error.status !== 403)) throw error;
      if (error.status === 401) await dropRefused(token);
    }
  }
}

async function join({ meeting, participant, token }) {
  if (participant.token) keepParticipant(roomName, meeting.id, participant.token);
  showHostPage(meeting);
  showSignedIn(texts);
  const mountCall = () =>
    call.mount({
      roomUrl: meeting.host_room_url ?? meeting.room_url,
      externalId: participant.id,
      displayName: new URLSearchParams(location.search).get("displayName"),
      language: texts.language,
      title: texts.say("room.call_title", { room: roomName }),
    });
  await mountCall();
  notice.hidden = true;
  question.setAttribute("meeting-id", meeting.id);
  question.token = token;
  call.addEventListener("leave", () => showLeft(mountCall));
  call.addEventListener("meeting_end", () => showLeft(mountCall));
}

/** Where the answers are counted: for the owner at once, for everybody after the call, to change an answer there. */
function showHostPage(meeting) {
  const link = document.querySelector("#host-page");
  link.href = `/meetings/${encodeURIComponent(meeting.id)}`;
  link.hidden = !meeting.host_room_url;
}

function reactToTheCall() {
  const recording = document.querySelector("#recording");
  const connection = document.querySelector("#connection");
  call.addEventListener("recording_status_change", ({ detail }) => {
    show(recording, detail?.status === "stopped" ? "" : texts.say("room.recording"));
  });
  call.addEventListener("connection_status_change", ({ detail }) => {
    show(connection, detail?.status === "unstable" ? texts.say("room.unstable") : "");
  });
}

function show(state, words) {
  state.textContent = words;
  state.title = words; // where only a sign has room
}

function showLeft(mountCall) {
  call.unmount();
  show(document.querySelector("#recording"), "");
  document.querySelector("#host-page").hidden = false;
  showProblem(notice, texts.say("room.left_title"), texts.say("room.left"), {
    label: texts.say("room.join_again"),
    onClick: async () => {
      await mountCall();
      notice.hidden = true;
    },
  });
}

function explain(error) {
  if (error.status === 404 || error.status === 400 || error.status === 422) {
    showProblem(notice, texts.say("room.unknown_title", { room: roomName }), texts.say("room.unknown"));
  } else {
    showProblem(notice, texts.say("room.unavailable_title"), whyFailed(texts, error), {
      label: texts.say("page.try_again"),
      onClick: () => location.reload(),
    });
    if (!error.status) throw error;
  }
}
