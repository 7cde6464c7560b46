/**
 * Who this browser is: signed in by a cookie that no script can read, or the holder of a token, and one participant
 * token for each meeting.
 */

import { Api, COOKIE } from "./api.js";
import { browserStore } from "./storage.js";

const TOKEN = "assent.token";
const PARTICIPANT = "assent.participant.";
const PARTICIPANT_AUDIENCE = "assent-participant";
const RECEIPT_AUDIENCE = "assent-receipt";

/** Takes `#token=…` out of the address bar, so that it is neither bookmarked nor shared by accident. */
export function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  keepToken(token);
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
}

export function keepToken(token) {
  browserStore.set(TOKEN, token.trim());
}

export function forgetToken() {
  browserStore.remove(TOKEN);
}

let asked = null;

/** What the gateway says of this browser: {sign_in_url, subject, expires_at}, each null where there is none. */
export function session() {
  const nobody = { sign_in_url: null, subject: null, expires_at: null };
  // Whoever cannot be told apart is asked for a token: that does not need this answer.
  asked ??= new Api({ token: COOKIE }).get("/v1/session").catch(() => nobody);
  return asked;
}

/** What the owner's pages may be opened with, likeliest first: a token from an address was given on purpose. */
export async function pageTokens() {
  const { subject } = await session();
  return [browserStore.get(TOKEN), subject && COOKIE].filter(Boolean);
}

/** What says who a signed-in person is in every room. */
export async function signedInToken() {
  return (await pageTokens()).find(isSignedIn) ?? null;
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

/** Nobody is signed in any more; meetings that this browser was in stay known. */
export async function signOut() {
  forgetToken();
  if ((await session()).subject) await new Api({ token: COOKIE }).delete("/v1/session");
}

export function keepParticipant(roomName, meetingId, token) {
  browserStore.set(PARTICIPANT + meetingId, token);
  browserStore.set(`assent.meeting.${roomName}`, meetingId);
}

/** The token from the last meeting in this room: it says who we are, if that meeting is still the one that opens. */
export function participantTokenOfRoom(roomName) {
  const meetingId = browserStore.get(`assent.meeting.${roomName}`);
  return meetingId && participantTokenOfMeeting(meetingId);
}

export function participantTokenOfMeeting(meetingId) {
  return browserStore.get(PARTICIPANT + meetingId);
}

/** Of every meeting that this browser was in. */
export function participantTokens() {
  return browserStore.keys(PARTICIPANT).map((key) => browserStore.get(key));
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
    return JSON.parse(atob(payload)) ?? {};
  } catch {
    return {};
  }
}
