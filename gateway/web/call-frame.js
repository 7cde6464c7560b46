/**
 * <call-frame> holds the video call: Whereby's own <whereby-embed>, or, where the room is not at whereby.com (the local
 * stand-in), a plain iframe with the same parameters and messages. Both give the same events.
 */

const WHEREBY_ROOM = /^https:\/\/[^./]+\.whereby\.com\/.+/;
const EVENTS = [
  "ready",
  "knock",
  "join",
  "leave",
  "meeting_end",
  "participantupdate",
  "participant_join",
  "participant_leave",
  "recording_status_change",
  "connection_status_change",
];
// As in v3-embed.js.
const PERMISSIONS =
  "autoplay; camera; microphone; fullscreen; speaker; display-capture; media-capture; compute-pressure; screen-wake-lock";

class CallFrame extends HTMLElement {
  #stopListening = () => {};

  /**
   * Joins the room. `externalId` (at most 36 of [A-Za-z0-9_-]) ties Whereby's webhooks to our participant, so it is
   * given before the call is loaded and never changes afterwards.
   */
  async mount({ roomUrl, externalId, displayName = null, language, title }) {
    this.unmount();
    const parameters = { externalId, lang: language, ...(displayName && { displayName }) };
    if (WHEREBY_ROOM.test(roomUrl)) await this.#mountWhereby(roomUrl, parameters, title);
    else this.#mountPlainFrame(roomUrl, parameters, title);
  }

  unmount() {
    this.#stopListening();
    this.replaceChildren();
  }

  async #mountWhereby(roomUrl, parameters, title) {
    await import("./vendor/v3-embed.js");
    const call = document.createElement("whereby-embed");
    for (const [name, value] of Object.entries({ ...parameters, title, room: roomUrl })) call.setAttribute(name, value);
    for (const name of EVENTS) call.addEventListener(name, ({ detail }) => this.#tell(name, detail));
    this.append(call);
  }

  #mountPlainFrame(roomUrl, parameters, title) {
    const address = new URL(roomUrl);
    for (const [name, value] of Object.entries({ ...parameters, embed: "", jsApi: "true" })) {
      address.searchParams.set(name, value);
    }
    const frame = document.createElement("iframe");
    frame.title = title;
    frame.allow = PERMISSIONS;
    frame.src = address.href;
    const listen = ({ origin, source, data }) => {
      if (origin !== address.origin || source !== frame.contentWindow) return;
      if (EVENTS.includes(data?.type)) this.#tell(data.type, data.payload);
    };
    window.addEventListener("message", listen);
    this.#stopListening = () => window.removeEventListener("message", listen);
    this.append(frame);
  }

  // Not bubbling: <whereby-embed>'s own events do not either, so both kinds are heard in one way.
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

customElements.define("call-frame", CallFrame);
