/** The transcript's page: its making as it happens, then the words with their times, and what became of the audio. */

import { element } from "./elements.js";
import { LiveEvents } from "./live.js";
import { idFromAddress, loadWithToken, saveFile, startPage } from "./page.js";
import { participantTokens, pageToken } from "./session.js";
import { clock } from "./texts.js";
import { TranscriptAudio } from "./transcript-audio.js";

const FINAL = new Set(["completed", "failed", "no_audio"]);

const byId = (id) => document.querySelector(`#${id}`);
const id = idFromAddress();
const path = `/v1/transcripts/${encodeURIComponent(id)}`;
const texts = await startPage();
let transcript;
let segments = new Map();
let audio;

await loadWithToken(byId("notice"), texts, {
  tokens: [pageToken(), ...participantTokens()],
  notFound: { title: texts.say("transcript.not_found_title"), explanation: texts.say("transcript.not_found") },
  load: show,
});

async function show(api, token) {
  transcript = await api.get(path);
  audio = new TranscriptAudio(api, texts, transcript, { onTime: markSpoken });
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
      markPlayable();
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
  if (status === "processing") clearSegments();
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
  clearSegments();
  for (const segment of transcript.segments ?? []) addSegment(segment);
  byId("downloads").hidden = segments.size === 0;
  byId("empty").textContent = segments.size ? "" : texts.say("transcript.silent");
  if (transcript.audio_deleted) audio.showErased();
  else if (statusOf() === "no_audio") audio.showMissing();
  else audio.load().then(markPlayable);
}

function showStatus() {
  const status = statusOf();
  byId("status").textContent = texts.say(`transcript.status_${status}`);
  byId("status").dataset.state = status;
  byId("progress").hidden = FINAL.has(status);
  byId("empty").textContent = segments.size ? "" : texts.say("transcript.empty");
  byId("explanation").hidden = status !== "failed" && status !== "no_audio";
  if (!byId("explanation").hidden) byId("explanation").textContent = texts.say(`transcript.${status}`);
  showFacts();
}

function showFacts() {
  const title = transcript.title || texts.say("transcript.untitled", { day: texts.day(transcript.created_at) });
  byId("title").textContent = title;
  document.title = title;
  const facts = [
    transcript.title && texts.day(transcript.created_at),
    transcript.duration_ms && `${texts.say("transcript.duration")} ${clock(transcript.duration_ms)}`,
    transcript.language && `${texts.say("transcript.language")} ${languageName(transcript.language)}`,
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  if (!transcript.meeting_id) return;
  const meeting = element("a", { href: `/meetings/${encodeURIComponent(transcript.meeting_id)}` });
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

function clearSegments() {
  segments = new Map();
  byId("segments").replaceChildren();
}

/** Only an edited segment has an index; what was heard is all there once the transcript is final. */
function showSegment(segment) {
  if (segment.index !== undefined) showEdited(segment);
  else if (!FINAL.has(statusOf())) addSegment(segment);
}

function showEdited(segment) {
  const shown = segments.get(segment.start_ms);
  if (shown) shown.line.querySelector("p").textContent = segment.text;
}

/** Events may be replayed from the start: a segment is known by when it begins. */
function addSegment(segment) {
  if (segments.has(segment.start_ms)) return;
  const time = element("button", { type: "button", class: "time", disabled: true }, clock(segment.start_ms));
  time.setAttribute("aria-label", texts.say("transcript.jump", { time: clock(segment.start_ms) }));
  time.addEventListener("click", () => audio.playFrom(segment.start_ms));
  const line = element("li", {}, time, element("p", {}, segment.text));
  segments.set(segment.start_ms, { segment, line, time });
  byId("segments").append(line);
  byId("empty").textContent = "";
}

function markPlayable() {
  for (const { time } of segments.values()) time.disabled = !audio.isPlayable;
}

function markSpoken(milliseconds) {
  for (const { segment, line } of segments.values()) {
    const isSpoken = segment.start_ms <= milliseconds && milliseconds < segment.end_ms;
    if (isSpoken) line.setAttribute("aria-current", "time");
    else line.removeAttribute("aria-current");
  }
}

async function saveText(api, button) {
  const format = button.dataset.format;
  saveFile(await api.download(`${path}/text?format=${format}`), `transcript-${id}.${format}`);
}
