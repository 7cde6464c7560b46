/** The page behind a receipt's link: what was asked and answered, the question again to change it, and the proof. */

import "./recording-consent.js";
import { Api, persistently } from "./api.js";
import { element, symbol } from "./elements.js";
import { whyFailed } from "./failures.js";
import { idFromAddress, loadWithToken, saveFile, showProblem, startPage } from "./page.js";
import { meetingOfReceipt, participantTokenOfMeeting } from "./session.js";

const byId = (id) => document.querySelector(`#${id}`);
const token = idFromAddress();
const meetingId = meetingOfReceipt(token);
const path = `/v1/meetings/${encodeURIComponent(meetingId)}/consent`;
const texts = await startPage();
const wrongLink = { title: texts.say("receipt.wrong_title"), explanation: texts.say("receipt.wrong") };
let latest = 0;
let meetingFacts = [];

document.title = texts.say("receipt.title");
if (meetingId) await loadWithToken(byId("notice"), texts, { tokens: [token], refused: wrongLink, notFound: wrongLink, load });
else showProblem(byId("notice"), wrongLink.title, wrongLink.explanation);

/** The answer and the question come first: changing it must not wait for anything else. */
async function load(api) {
  const { answer } = await api.get(path);
  showAnswer(answer);
  if (answer) showProof(api, answer);
  const question = document.querySelector("recording-consent");
  question.addEventListener("consent-stored", ({ detail }) => {
    showAnswer(detail);
    showProof(api, detail);
  });
  question.setAttribute("meeting-id", meetingId);
  question.token = token;
  byId("notice").hidden = true;
  byId("receipt").hidden = false;
  await showAudio().catch((error) => console.info("what became of the audio could not be asked:", error.message));
}

/** What became of the audio: a receipt's link does not open that, but what this browser took part with does. */
async function showAudio() {
  const participant = participantTokenOfMeeting(meetingId);
  if (!participant) return;
  const api = new Api({ token: participant });
  const { transcripts } = await api.get(`/v1/transcripts?meeting_id=${encodeURIComponent(meetingId)}`);
  const isErased = transcripts.length > 0 && transcripts.every((transcript) => transcript.audio_deleted);
  byId("erased").textContent = isErased ? texts.say("receipt.erased") : "";
  byId("became").querySelector("a").href = `/meetings/${encodeURIComponent(meetingId)}`;
  byId("became").hidden = transcripts.length === 0;
}

function showAnswer(answer) {
  const given = answer?.consent_given;
  const said = { undefined: "receipt.unanswered", true: "consent.granted", false: "consent.denied" }[given];
  byId("said").replaceChildren(...(answer ? [symbol(given ? "check" : "cross")] : []), texts.say(said));
  const facts = answer ? [...meetingFacts, texts.say("receipt.answered_at", { day: texts.day(answer.answered_at) })] : [];
  byId("facts").textContent = facts.join(" · ");
}

/** The answer is stored, so its receipt will come, however often it takes to ask for it. */
async function showProof(api, answer) {
  latest = answer.revision;
  byId("download").disabled = true;
  byId("problem").hidden = true;
  try {
    const proof = await persistently(() => api.get(`${path}/receipt?revision=${answer.revision}`));
    const { hash } = proof.receipt.pii_processing.privacy_notice;
    const notice = hash && (await persistently(() => api.get(`/v1/notices/${hash}`)));
    if (answer.revision !== latest) return;
    meetingFacts = factsOf(proof.receipt.meeting);
    showAnswer(answer);
    showWording(notice);
    showReceipt(proof, answer);
  } catch (error) {
    byId("problem").textContent = whyFailed(texts, error);
    byId("problem").hidden = false;
  }
}

function factsOf({ room, opened_at }) {
  return [texts.say("meeting.title", { room }), texts.say("meeting.started_at", { day: texts.day(opened_at) })];
}

/** The words as they were shown then, in the language of then; not once more where the question above has the same. */
function showWording(notice) {
  byId("asked").hidden = false;
  byId("words").hidden = !notice;
  byId("wording").hidden = true;
  if (!notice) {
    byId("asked-says").textContent = texts.say("receipt.asked_unknown");
    return;
  }
  byId("words").href = `/v1/notices/${notice.hash}`;
  const words = JSON.parse(notice.wording);
  const isSame = Object.keys(words).every((part) => String(words[part]) === String(texts.say(`consent.${part}`)));
  const language = new Intl.DisplayNames([texts.language], { type: "language" }).of(notice.language);
  const says = isSame ? "receipt.asked_same" : "receipt.asked_exactly";
  byId("asked-says").textContent = texts.say(says, { version: notice.version, language });
  if (!isSame) showWords(notice.language, words);
}

function showWords(language, { title, notice: lines, grant, deny }) {
  byId("wording").hidden = false;
  byId("wording").lang = language;
  byId("wording").replaceChildren(
    element("h3", {}, title),
    element("ul", {}, ...lines.map((line) => element("li", {}, line))),
    element("p", {}, ...[grant, deny].flatMap((words) => [element("span", { class: "choice" }, words), " "])),
  );
}

function showReceipt({ receipt, jws }, { revision }) {
  byId("terms").replaceChildren(
    ...termsOf(receipt).flatMap(([name, lines]) => [
      element("dt", {}, texts.say(`receipt.${name}`)),
      element("dd", {}, ...lines.map((line) => element("div", {}, line))),
    ]),
  );
  byId("content").textContent = JSON.stringify(receipt, null, 2);
  byId("download").disabled = false;
  // Bare, as whoever verifies it expects it.
  byId("download").onclick = () => saveFile(new Blob([jws], { type: "application/jose" }), nameOf(receipt.meeting, revision));
  byId("proof").hidden = false;
}

/** One for each answer, in each meeting: `receipt-weekly-2026-11-22-1000-5.jws`, in UTC. */
function nameOf({ room, opened_at: opened }, revision) {
  return `receipt-${room}-${opened.slice(0, 16).replace("T", "-").replace(":", "")}-${revision}.jws`;
}

/** What the operator says about the audio, in the operator's words; what they said nothing about is left out. */
function termsOf({ party_identification: parties, pii_processing: processing }) {
  const responsible = parties.find((party) => processing.pii_controllers?.includes(party.party_id)) ?? {};
  const { description, days_set_for_the_room: days } = processing.retention_period ?? {};
  const terms = {
    responsible: [responsible.party_name, responsible.party_contact, responsible.party_address],
    purposes: (processing.purposes ?? []).map(({ purpose }) => purpose),
    retention: [description, days && texts.say("receipt.retention_days", { days })],
    storage: processing.storage_locations ?? [],
  };
  return Object.entries(terms)
    .map(([name, lines]) => [name, lines.filter(Boolean)])
    .filter(([, lines]) => lines.length > 0);
}
