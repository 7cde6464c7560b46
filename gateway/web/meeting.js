/** The host's page: how many answered what, as it happens, and what became of each recording. */

import "./recording-consent.js";
import { element } from "./elements.js";
import { LiveEvents } from "./live.js";
import { certificateButton, idFromAddress, loadWithToken, startPage } from "./page.js";
import { pageToken, participantTokenOfMeeting, signedInToken } from "./session.js";

const byId = (id) => document.querySelector(`#${id}`);
const id = idFromAddress();
const path = `/v1/meetings/${encodeURIComponent(id)}`;
const texts = await startPage();
const cards = new Map();

await loadWithToken(byId("notice"), texts, {
  tokens: [pageToken(), participantTokenOfMeeting(id)],
  notFound: { title: texts.say("meeting.not_found_title"), explanation: texts.say("meeting.not_found") },
  load: show,
});

async function show(api, token) {
  const [meeting, consent] = await Promise.all([api.get(path), api.get(`${path}/consent`)]);
  showMeeting(meeting);
  showCounts(consent.counts);
  await showRecordings(api);
  byId("notice").hidden = true;
  byId("meeting").hidden = false;
  showQuestion();
  const handlers = {
    CONSENT: ({ counts }) => showCounts(counts),
    RECORDING: ({ recording }) => showRecording(api, recording),
  };
  // Whether the meeting goes on is not told by itself: whoever comes or goes, and every recording, may have ended it.
  const ask = async () => showMeeting(await api.get(path));
  new LiveEvents(`${path}/events`, token, {
    onEvent: (name, data) => {
      handlers[name]?.(data);
      ask().catch((error) => console.warn("the meeting could not be asked for again", error));
    },
  });
}

/** Somebody who was in the meeting can look at their answer here and change it, long after the call. */
function showQuestion() {
  const token = participantTokenOfMeeting(id) ?? (signedInToken() ? null : pageToken());
  if (!token) return;
  const question = document.querySelector("recording-consent");
  question.setAttribute("meeting-id", id);
  question.token = token;
}

function showMeeting(meeting) {
  const title = texts.say("meeting.title", { room: meeting.room });
  byId("title").textContent = title;
  document.title = title;
  byId("status").textContent = texts.say(meeting.is_active ? "meeting.active" : "meeting.ended");
  byId("status").dataset.state = meeting.is_active ? "active" : "ended";
  const room = element("a", { href: `/${encodeURIComponent(meeting.room)}` }, texts.say("meeting.open_room"));
  byId("facts").replaceChildren(texts.say("meeting.started_at", { day: texts.day(meeting.start_time) }), " · ", room);
}

function showCounts(counts) {
  for (const number of byId("counts").querySelectorAll("[data-count]")) {
    number.textContent = counts[number.dataset.count];
  }
}

/** Recordings are the owner's to see; a participant sees the counts. */
async function showRecordings(api) {
  try {
    const { recordings } = await api.get(`/v1/recordings?meeting_id=${encodeURIComponent(id)}`);
    for (const recording of recordings) showRecording(api, recording);
    byId("no-recordings").textContent = recordings.length ? "" : texts.say("meeting.no_recordings");
  } catch (error) {
    if (error.status !== 403 && error.status !== 401) throw error;
    byId("no-recordings").textContent = texts.say("meeting.recordings_owner_only");
  }
}

function showRecording(api, recording) {
  const card = cardOf(recording);
  const known = cards.get(recording.id);
  if (known) known.replaceWith(card);
  else byId("recordings").prepend(card);
  cards.set(recording.id, card);
  byId("no-recordings").textContent = "";
  if (recording.state === "erased") card.append(certificateButton(api, texts, recording.id));
}

function explanationOf({ state, blocked_until: until }) {
  if (state === "blocked" && until) return texts.say("meeting.explain_blocked_until", { day: texts.day(until) });
  return texts.say(`meeting.explain_${state}`);
}

function cardOf(recording) {
  const state = recording.state;
  const when = recording.recorded_at
    ? texts.say("meeting.recorded_at", { day: texts.day(recording.recorded_at) })
    : texts.say("meeting.arrived_at");
  const pill = element("span", { class: "state", "data-state": state }, texts.say(`meeting.state_${state}`));
  const card = element(
    "li",
    {},
    element("div", { class: "title" }, element("h3", {}, when), pill),
    element("p", { class: "hint" }, explanationOf(recording)),
  );
  if (recording.transcript_id) {
    const link = element("a", { href: `/transcripts/${encodeURIComponent(recording.transcript_id)}` });
    link.textContent = texts.say("meeting.transcript");
    card.append(element("p", {}, link));
  }
  return card;
}
