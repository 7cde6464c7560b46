/** The transcript's page: its making as it happens, then the words with their times, and what became of the audio. */

import { element } from "./elements.js";
import { LiveEvents } from "./live.js";
import { idFromAddress, loadWithToken, saveFile, startPage } from "./page.js";
import { claimsOf, isSignedIn, pageTokens, participantTokens } from "./session.js";
import { clock } from "./texts.js";
import { TranscriptAudio } from "./transcript-audio.js";
import { TranscriptText } from "./transcript-text.js";

const FINAL = new Set(["completed", "failed", "no_audio"]);

const byId = (id) => document.querySelector(`#${id}`);
const id = idFromAddress();
const path = `/v1/transcripts/${encodeURIComponent(id)}`;
const texts = await startPage();
let transcript;
let text;
let audio;
let meetingId;
let origin = null;

await loadWithToken(byId("notice"), texts, {
  tokens: [...(await pageTokens()), ...participantTokens()],
  notFound: { title: texts.say("transcript.not_found_title"), explanation: texts.say("transcript.not_found") },
  load: show,
});

async function show(api, token) {
  transcript = await api.get(path);
  // Whoever is signed in and may see it owns it; what they may do, the gateway decides.
  const isOwner = isSignedIn(token);
  text = new TranscriptText(api, path, texts, transcript, { isOwner, onPlay: (at) => audio.playFrom(at) });
  audio = new TranscriptAudio(api, texts, transcript, { isOwner, onTime: (at) => text.markSpoken(at) });
  // Of several meetings that overlap, a participant may see their own.
  meetingId = claimsOf(token).meeting_id ?? transcript.meeting_id;
  learnOrigin(api, isOwner);
  byId("notice").hidden = true;
  byId("transcript").hidden = false;
  for (const button of byId("downloads").children) button.addEventListener("click", () => saveText(api, button));
  if (statusOf() !== "queued" && statusOf() !== "processing") showFinal();
  else showStatus();
  const handlers = handlersOf(api);
  new LiveEvents(`${path}/events`, token, { onEvent: (name, data) => handlers[name]?.(data) });
}

function handlersOf(api) {
  return {
    STATUS: ({ status }) => changeStatus(api, status),
    PROGRESS: showProgress,
    TRANSCRIPT: showSegment,
    DURATION: ({ duration_ms: duration }) => {
      transcript.duration_ms = duration;
      showFacts();
    },
    AUDIO_DELETED: () => {
      transcript.audio_deleted = true;
      audio.showErased();
      text.isPlayable = false;
    },
  };
}

function statusOf() {
  return transcript.status;
}

/** Only a step to an end fetches the transcript as it was stored. */
async function changeStatus(api, status) {
  if (FINAL.has(statusOf())) return;
  // Begun, perhaps for another time: what an earlier attempt heard is void.
  if (status === "processing") text.clear();
  if (status === statusOf()) return;
  transcript.status = status;
  if (!FINAL.has(statusOf())) {
    showStatus();
    return;
  }
  Object.assign(transcript, await api.get(path));
  showFinal();
}

function showFinal() {
  showStatus();
  text.clear();
  for (const segment of transcript.segments ?? []) text.add(segment);
  text.finish();
  byId("downloads").hidden = text.isEmpty;
  byId("empty").textContent = text.isEmpty ? texts.say("transcript.silent") : "";
  if (transcript.audio_deleted) audio.showErased();
  else if (statusOf() === "no_audio") audio.showMissing();
  else audio.load().then(() => (text.isPlayable = audio.isPlayable));
}

function showStatus() {
  const status = statusOf();
  byId("status").textContent = texts.say(`transcript.status_${status}`);
  byId("status").dataset.state = status;
  byId("progress").hidden = FINAL.has(status);
  byId("empty").textContent = text.isEmpty ? texts.say("transcript.empty") : "";
  byId("explanation").hidden = status !== "failed" && status !== "no_audio";
  if (!byId("explanation").hidden) byId("explanation").textContent = texts.say(`transcript.${status}`);
  showFacts();
}

/** In which room, and when it was recorded, or when the meeting began: the transcript itself may be made days later. */
async function learnOrigin(api, isOwner) {
  const asked = await Promise.allSettled([
    meetingId && api.get(`/v1/meetings/${encodeURIComponent(meetingId)}`),
    isOwner && api.get(`/v1/recordings/${encodeURIComponent(transcript.recording_id)}`),
  ]);
  const [meeting, recording] = asked.map(({ value }) => value || {});
  const time = recording.recorded_at ?? meeting.start_time ?? transcript.created_at;
  origin = { room: meeting.room, day: texts.day(time) };
  showFacts();
}

function titleOf() {
  if (transcript.title || !origin) return transcript.title || texts.say("meeting.transcript");
  return origin.room ? `${origin.room}, ${origin.day}` : texts.say("transcript.untitled", origin);
}

function showFacts() {
  const title = titleOf();
  byId("title").textContent = title;
  document.title = title;
  const facts = [
    transcript.title && origin?.room,
    transcript.title && origin?.day,
    transcript.duration_ms && `${texts.say("transcript.duration")} ${clock(transcript.duration_ms)}`,
    transcript.language && `${texts.say("transcript.language")} ${languageName(transcript.language)}`,
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  if (!meetingId) return;
  const meeting = element("a", { href: `/meetings/${encodeURIComponent(meetingId)}` });
  meeting.textContent = texts.say("transcript.meeting");
  byId("facts").append(" · ", meeting);
}

function languageName(tag) {
  return new Intl.DisplayNames([texts.language], { type: "language" }).of(tag);
}

function showProgress({ percent, seconds_left: secondsLeft }) {
  if (FINAL.has(statusOf())) return;
  byId("bar").value = percent;
  const left = secondsLeft > 0 ? texts.say("transcript.seconds_left", { time: clock(secondsLeft * 1000) }) : "";
  byId("remaining").textContent = [`${Math.round(percent)} %`, left].filter(Boolean).join(" · ");
}

/** Only an edited segment has an index; what was heard is all there once the transcript is final. */
function showSegment(segment) {
  if (segment.index !== undefined) {
    text.change(segment);
  } else if (!FINAL.has(statusOf())) {
    text.add(segment);
    byId("empty").textContent = "";
  }
}

async function saveText(api, button) {
  const format = button.dataset.format;
  saveFile(await api.download(`${path}/text?format=${format}`), `transcript-${id}.${format}`);
}
