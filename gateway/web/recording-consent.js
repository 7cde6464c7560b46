/**
 * <recording-consent meeting-id="…" token="…"> asks one participant whether the meeting's audio may be stored.
 *
 * It always asks, blocks nothing, and closes only when the answer is stored. Attributes: `meeting-id`, `token` (a
 * participant token of that meeting or the JWT of somebody signed in), `lang`, and `base`, the gateway's origin where
 * that is not the page's own. With `inline` the question is a part of the page, always there, instead of a dialog over
 * it. With `in-page` it is asked and answered in its place in the page, over nothing. With `no-fingerprint` an answer is
 * sent without one of the browser. Events: `consent-stored` (detail: the answer that counts now, as the API gives it,
 * also where it was given in another tab) and `consent-postponed`.
 */

import { ConsentQuestion } from "./consent-question.js";

class RecordingConsent extends HTMLElement {
  static observedAttributes = ["meeting-id", "token"];

  #question = null;
  #asked = null;
  #isChanging = false;
  #onKey = (event) => this.#question?.postponeByKey(event);
  #onOnline = () => this.#question?.tryNow();
  #onStorage = (event) => this.#question?.hearOtherTabs(event);

  get token() {
    return this.getAttribute("token");
  }

  set token(token) {
    this.setAttribute("token", token);
  }

  connectedCallback() {
    document.addEventListener("keydown", this.#onKey);
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("storage", this.#onStorage);
    this.#change();
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.#onKey);
    window.removeEventListener("online", this.#onOnline);
    window.removeEventListener("storage", this.#onStorage);
  }

  attributeChangedCallback() {
    this.#change();
  }

  // One attribute comes after the other, and a meeting with another one's token is nothing to ask about.
  #change() {
    if (this.#isChanging) return;
    this.#isChanging = true;
    queueMicrotask(() => {
      this.#isChanging = false;
      this.#ask();
    });
  }

  #ask() {
    const [meetingId, token] = [this.getAttribute("meeting-id"), this.token];
    const asked = `${meetingId} ${token}`;
    if (!this.isConnected || !meetingId || !token || asked === this.#asked) return;
    this.#asked = asked;
    this.#question?.leave();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren();
    this.#question = new ConsentQuestion(this, { meetingId, token });
    this.#question.start(root);
  }
}

customElements.define("recording-consent", RecordingConsent);
