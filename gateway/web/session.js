/**
 * Who this browser is: signed in by a cookie that no script can read, or the holder of a token, and one participant
 * token for each meeting.
 */

import { Api, COOKIE } from "./api.js";
import { browserStore, tabStore } from "./storage.js";

const TOKEN = "assent.token";
const PARTICIPANT = "assent.participant.";
const MEETING = "assent.meeting.";
const SIGNED_OUT = "assent.signed-out";
const PARTICIPANT_AUDIENCE = "assent-participant";
const RECEIPT_AUDIENCE = "assent-receipt";
// The only pages that a link with a token in it may lead to: it opens them, and makes nobody enter, answer or create
// anything as somebody else.
const BY_LINK = /^\/(meetings|transcripts)\/./;

/**
 * Takes `#token=…` out of the address bar, so that it is neither bookmarked nor shared by accident; is true where it is
 * used, which is in this tab alone.
 */
export function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(history.state, "", location.pathname + location.search);
  const isTaken = BY_LINK.test(location.pathname);
  if (isTaken) tabStore.set(TOKEN, token.trim());
  return isTaken;
}

/** One that somebody typed in: a newer wish than whatever came by a link. */
export function keepToken(token) {
  tabStore.remove(TOKEN);
  browserStore.set(TOKEN, token.trim());
}

export function forgetToken() {
  for (const store of [tabStore, browserStore]) store.remove(TOKEN);
}

/** Whether a token that the gateway refused was dropped: the cookie of whoever is signed in goes on instead. */
export async function dropRefused(token) {
  if (!(await session()).subject) return false;
  const holders = [tabStore, browserStore].filter((store) => store.get(TOKEN) === token);
  for (const store of holders) store.remove(TOKEN);
  return holders.length > 0;
}

let asked = null;

/** What the gateway says of this browser: {sign_in_url, subject, name, expires_at}, each null where there is none. */
export function session() {
  const nobody = { sign_in_url: null, subject: null, name: null, expires_at: null };
  // Whoever cannot be told apart is asked for a token: that does not need this answer.
  asked ??= new Api({ token: COOKIE }).get("/v1/session").catch(() => nobody);
  return asked;
}

/** What this page may be opened with, likeliest first: what was given for this tab, or typed in, was so on purpose. */
export async function pageTokens() {
  const { subject } = await session();
  const byLink = BY_LINK.test(location.pathname) ? tabStore.get(TOKEN) : null;
  return [byLink, browserStore.get(TOKEN), subject && COOKIE].filter(Boolean);
}

/** Those of them that say who somebody is in every room. */
export async function signedInTokens() {
  return (await pageTokens()).filter(isSignedIn);
}

/** What to call whoever is signed in on this page; null where nobody is. */
export async function signedInName() {
  const [token] = await signedInTokens();
  if (!token) return null;
  const { name, sub } = token === COOKIE ? await session().then(({ name, subject: sub }) => ({ name, sub })) : claimsOf(token);
  return String(name || sub || "") || null;
}

/** Whose it is: somebody's who is signed in, not a participant's of one meeting. */
export function isSignedIn(token) {
  return claimsOf(token).aud !== PARTICIPANT_AUDIENCE;
}

/** Where to sign in and come back to this page from; null where nobody can, or somebody is. */
export async function signInAddress() {
  const { sign_in_url: address, subject } = await session();
  if (!address || subject) return null;
  const here = location.pathname + location.search + location.hash;
  return `${address}?return_to=${encodeURIComponent(here)}`;
}

/**
 * Nobody is signed in any more, and nobody answers as whoever was: the meetings are forgotten too. An answer that is not
 * stored yet stays, for them alone.
 */
export async function signOut() {
  forgetToken();
  for (const key of [PARTICIPANT, MEETING].flatMap((prefix) => browserStore.keys(prefix))) browserStore.remove(key);
  try {
    if ((await session()).subject) await new Api({ token: COOKIE }).delete("/v1/session");
  } finally {
    browserStore.set(SIGNED_OUT, crypto.randomUUID());
    browserStore.remove(SIGNED_OUT);
  }
}

/** Calls `act` once somebody signs out in another tab. */
export function onSignedOutElsewhere(act) {
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key !== SIGNED_OUT || newValue === null) return;
    tabStore.remove(TOKEN);
    act();
  });
}

export function keepParticipant(roomName, meetingId, token) {
  browserStore.set(PARTICIPANT + meetingId, token);
  browserStore.set(MEETING + roomName, meetingId);
}

/** The token from the last meeting in this room: it says who we are, if that meeting is still the one that opens. */
export function participantTokenOfRoom(roomName) {
  const meetingId = browserStore.get(MEETING + roomName);
  return meetingId && participantTokenOfMeeting(meetingId);
}

export function participantTokenOfMeeting(meetingId) {
  return browserStore.get(PARTICIPANT + meetingId);
}

/** Of every meeting that this browser was in, likeliest first: that whose page led here, then the latest. */
export function participantTokens() {
  const from = /\/meetings\/([\w-]+)/.exec(document.referrer)?.[1];
  const asked = from && participantTokenOfMeeting(from);
  const tokens = browserStore.keys(PARTICIPANT).map((key) => browserStore.get(key));
  tokens.sort((one, other) => (claimsOf(other).iat ?? 0) - (claimsOf(one).iat ?? 0));
  return [...new Set([asked, ...tokens])];
}

/** The meeting that a receipt's token is for; null where it is none. */
export function meetingOfReceipt(token) {
  const { aud, meeting_id } = claimsOf(token);
  return aud === RECEIPT_AUDIENCE && meeting_id ? meeting_id : null;
}

/**
 * What a token says of itself, {} where it is none. Read, not verified: it only decides what to ask the gateway for,
 * which verifies the token.
 */
export function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
