/** Who this browser is: an owner or participant token for the pages, and one participant token for each meeting. */

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
  localStorage.setItem(TOKEN, token.trim());
}

export function forgetToken() {
  localStorage.removeItem(TOKEN);
}

export function pageToken() {
  return localStorage.getItem(TOKEN);
}

/** The token of somebody who is signed in, which says who they are in every room. */
export function signedInToken() {
  const token = pageToken();
  return token && isSignedIn(token) ? token : null;
}

/** Whose it is: somebody's who is signed in, not a participant's of one meeting. */
export function isSignedIn(token) {
  return claimsOf(token).aud !== PARTICIPANT_AUDIENCE;
}

export function keepParticipant(roomName, meetingId, token) {
  localStorage.setItem(PARTICIPANT + meetingId, token);
  localStorage.setItem(`assent.meeting.${roomName}`, meetingId);
}

/** The token from the last meeting in this room: it says who we are, if that meeting is still the one that opens. */
export function participantTokenOfRoom(roomName) {
  const meetingId = localStorage.getItem(`assent.meeting.${roomName}`);
  return meetingId && participantTokenOfMeeting(meetingId);
}

export function participantTokenOfMeeting(meetingId) {
  return localStorage.getItem(PARTICIPANT + meetingId);
}

/** Of every meeting that this browser was in. */
export function participantTokens() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PARTICIPANT));
  return keys.map((key) => localStorage.getItem(key));
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
