/** The first page: a way into a room for everybody, and the owner's rooms and transcripts. */

import { whyFailed } from "./failures.js";
import { loadWithToken, startPage } from "./page.js";
import { RoomList } from "./room-list.js";
import { signedInTokens } from "./session.js";
import { TranscriptList } from "./transcript-list.js";

const byId = (id) => document.querySelector(`#${id}`);
const texts = await startPage();

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(`/${encodeURIComponent(byId("enter-name").value)}`);
});

for (const input of [byId("enter-name"), byId("create-name")]) {
  // Instead of the browser's own words, which do not say what is wrong.
  input.addEventListener("input", () => {
    input.setCustomValidity(input.validity.patternMismatch ? texts.say("home.invalid") : "");
  });
}

showSignInFailure();

await loadWithToken(byId("notice"), texts, {
  tokens: await signedInTokens(),
  invitation: { title: texts.say("home.owner_title"), explanation: texts.say("home.owner_explained") },
  notFound: { title: texts.say("page.token_title"), explanation: texts.say("page.token_refused") },
  load: show,
});

/** Whoever comes back from signing in without success is told why, once. */
function showSignInFailure() {
  const why = new URLSearchParams(location.search).get("sign-in");
  if (!["refused", "expired", "failed", "unavailable"].includes(why)) return;
  byId("sign-in-says").textContent = texts.say(`page.sign_in_${why}`);
  history.replaceState(history.state, "", location.pathname);
}

async function show(api) {
  const rooms = new RoomList(api, texts);
  await Promise.all([rooms.load(), new TranscriptList(api, texts).load()]);
  byId("create").addEventListener("submit", (event) => {
    event.preventDefault();
    createRoom(api, rooms);
  });
  byId("notice").hidden = true;
  byId("owner").hidden = false;
}

async function createRoom(api, rooms) {
  const input = byId("create-name");
  const says = byId("create-says");
  says.textContent = "";
  try {
    rooms.add(await api.post("/v1/rooms", { name: input.value }));
    input.value = "";
  } catch (error) {
    says.textContent = whyNot(error);
  }
}

function whyNot(error) {
  if (error.reason === "ROOM_EXISTS") return texts.say("home.exists");
  if (error.status === 400 || error.status === 422) return texts.say("home.invalid");
  return whyFailed(texts, error);
}
