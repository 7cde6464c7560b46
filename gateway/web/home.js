/** The first page: a way into a room for everybody, and the owner's rooms and transcripts. */

import { element } from "./elements.js";
import { loadWithToken, startPage } from "./page.js";
import { signedInToken } from "./session.js";
import { clock } from "./texts.js";

const byId = (id) => document.querySelector(`#${id}`);
const texts = await startPage();

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(`/${encodeURIComponent(byId("enter-name").value)}`);
});

await loadWithToken(byId("notice"), texts, {
  tokens: [signedInToken()],
  invitation: { title: texts.say("home.owner_title"), explanation: texts.say("home.owner_explained") },
  notFound: { title: texts.say("page.token_title"), explanation: texts.say("page.token_refused") },
  load: show,
});

async function show(api) {
  const [{ rooms }, { transcripts }] = await Promise.all([api.get("/v1/rooms"), api.get("/v1/transcripts")]);
  list("rooms", rooms.map(roomCard));
  list("transcripts", transcripts.map(transcriptCard));
  byId("create").addEventListener("submit", (event) => {
    event.preventDefault();
    createRoom(api);
  });
  byId("notice").hidden = true;
  byId("owner").hidden = false;
}

function list(name, cards) {
  byId(name).replaceChildren(...cards);
  byId(`no-${name}`).hidden = cards.length > 0;
}

function roomCard(room) {
  return element("li", {}, element("a", { href: `/${encodeURIComponent(room.name)}` }, room.name));
}

function transcriptCard(transcript) {
  const title = transcript.title || texts.say("transcript.untitled", { day: texts.day(transcript.created_at) });
  const status = transcript.status;
  const facts = [
    texts.say(`transcript.status_${status}`),
    transcript.duration_ms && clock(transcript.duration_ms),
    transcript.audio_deleted && texts.say("home.audio_deleted"),
  ];
  return element(
    "li",
    {},
    element("a", { href: `/transcripts/${encodeURIComponent(transcript.id)}` }, title),
    element("p", { class: "hint" }, facts.filter(Boolean).join(" · ")),
  );
}

async function createRoom(api) {
  const input = byId("create-name");
  const says = byId("create-says");
  says.textContent = "";
  try {
    const room = await api.post("/v1/rooms", { name: input.value });
    byId("rooms").prepend(roomCard(room));
    byId("no-rooms").hidden = true;
    input.value = "";
  } catch (error) {
    says.textContent = whyNot(error);
  }
}

function whyNot(error) {
  if (error.reason === "ROOM_EXISTS") return texts.say("home.exists");
  if (error.status === 400 || error.status === 422) return texts.say("home.invalid");
  return texts.say("page.failed", { detail: error.message });
}
