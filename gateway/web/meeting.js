/** The host's page: how many answered what, as it happens, and what became of each recording. */

import "./recording-consent.js";
import { element } from "./elements.js";
import { LiveEvents } from "./live.js";
import { idFromAddress, loadWithToken, startPage } from "./page.js";
import { historyButton } from "./proofs.js";
import { RecordingCard } from "./recording-card.js";
import { isSignedIn, pageTokens, participantTokenOfMeeting } from "./session.js";

const byId = (id) => document.querySelector(`#${id}`);
const id = idFromAddress();
const path = `/v1/meetings/${encodeURIComponent(id)}`;
const texts = await startPage();
const cards = new Map();
let askedForTranscripts = null;

await loadWithToken(byId("notice"), texts, {
  tokens: [...(await pageTokens()), participantTokenOfMeeting(id)],
  notFound: { title: texts.say("meeting.not_found_title"), explanation: texts.say("meeting.not_found") },
  load: show,
});

async function show(api, token) {
  const [meeting, consent] = await Promise.all([api.get(path), api.get(`${path}/consent`)]);
  showMeeting(meeting);
  showCounts(consent.counts);
  byId("no-recordings").textContent = texts.say("meeting.no_recordings");
  // Whoever is signed in and may see it owns it. Others hear over the line how each recording stands.
  const isOwner = isSignedIn(token);
  if (isOwner) await showRecordings(api);
  if (isOwner && byId("history").hidden) showHistory(api);
  byId("notice").hidden = true;
  byId("meeting").hidden = false;
  showQuestion(token);
  const handlers = {
    CONSENT: ({ counts }) => showCounts(counts),
    RECORDING: ({ recording }) => showRecording(api, recording, { isOwner }),
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
function showQuestion(opener) {
  const token = participantTokenOfMeeting(id) ?? (isSignedIn(opener) ? null : opener);
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
  const present = texts.say(meeting.is_active ? "meeting.present" : "meeting.were_present");
  if (byId("present").textContent !== present) byId("present").textContent = present;
  const room = element("a", { href: `/${encodeURIComponent(meeting.room)}` }, texts.say("meeting.open_room"));
  byId("facts").replaceChildren(texts.say("meeting.started_at", { day: texts.day(meeting.start_time) }), " · ", room);
}

function showCounts(counts) {
  for (const number of byId("counts").querySelectorAll("[data-count]")) {
    const count = String(counts[number.dataset.count]);
    // Only what changed is news to whoever listens to the page.
    if (number.textContent !== count) number.textContent = count;
  }
}

function showHistory(api) {
  byId("history").prepend(historyButton(api, texts, id));
  byId("history").hidden = false;
}

/** The owner's are listed with all their times. */
async function showRecordings(api) {
  const { recordings } = await api.get(`/v1/recordings?meeting_id=${encodeURIComponent(id)}`);
  // Newest first is how they are listed, and each is put above those before it.
  for (const recording of recordings.reverse()) showRecording(api, recording, { isOwner: true });
}

function showRecording(api, recording, { isOwner }) {
  let card = cards.get(recording.id);
  if (!card) {
    card = new RecordingCard(api, texts, { isOwner });
    cards.set(recording.id, card);
    byId("recordings").prepend(card.element);
    byId("no-recordings").textContent = "";
  }
  card.show(recording);
  if (card.lacksTranscript) {
    showTranscripts(api).catch((error) => console.warn("the transcripts could not be asked for", error));
  }
}

/** How transcribing went, and when it was done: what is told of a recording does not say. */
async function showTranscripts(api) {
  askedForTranscripts ??= api.get(`/v1/transcripts?meeting_id=${encodeURIComponent(id)}`);
  const asked = askedForTranscripts.finally(() => (askedForTranscripts = null));
  for (const transcript of (await asked).transcripts) cards.get(transcript.recording_id)?.showTranscript(transcript);
}
