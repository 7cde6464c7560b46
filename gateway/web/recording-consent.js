/**
 * <recording-consent meeting-id="…" token="…"> asks one participant whether the meeting's audio may be stored.
 *
 * It always asks, blocks nothing, and closes only when the answer is stored. Attributes: `meeting-id`, `token` (a
 * participant token of that meeting or the JWT of somebody signed in), `lang`, and `base`, the gateway's origin where
 * that is not the page's own. With `inline` the question is a part of the page, always there, instead of a dialog over
 * it. With `in-page` it is asked and answered in its place in the page, over nothing. With `no-fingerprint` an answer is
 * sent without one of the browser. Events: `consent-stored` (detail: the API's reply) and `consent-postponed`.
 */

import { AnswerDelivery } from "./answer-delivery.js";
import { Api, persistently } from "./api.js";
import { fingerprint } from "./fingerprint.js";
import { build } from "./recording-consent-view.js";
import { claimsOf } from "./session.js";
import { browserStore } from "./storage.js";
import { chooseLanguage, Texts } from "./texts.js";

class RecordingConsent extends HTMLElement {
  static observedAttributes = ["meeting-id", "token"];

  #api;
  #texts;
  #view;
  #delivery;
  #answered = null;
  #isDelivering = false;
  #latest = null;
  #started = false;
  #isOffered = false;
  #onKey = (event) => this.#postponeByKey(event);
  #onOnline = () => this.#delivery?.tryNow();

  get token() {
    return this.getAttribute("token");
  }

  set token(token) {
    this.setAttribute("token", token);
  }

  connectedCallback() {
    document.addEventListener("keydown", this.#onKey);
    window.addEventListener("online", this.#onOnline);
    this.#startOnce();
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.#onKey);
    window.removeEventListener("online", this.#onOnline);
  }

  attributeChangedCallback() {
    this.#startOnce();
  }

  #startOnce() {
    if (this.#started || !this.isConnected || !this.getAttribute("meeting-id") || !this.token) return;
    this.#started = true;
    this.#start();
  }

  async #start() {
    this.#api = new Api({ base: this.getAttribute("base") ?? "", token: this.token });
    const closest = this.closest("[lang]")?.lang;
    this.#texts = await Texts.load(chooseLanguage(closest));
    this.#view = build(this.attachShadow({ mode: "open" }), this.#texts, this.#isInline, {
      onAnswer: (given) => this.#answer(given, crypto.randomUUID()),
      onPostpone: () => this.#postpone(),
      onReturn: () => this.#ask({ moveFocus: true }),
      onTryNow: () => this.#delivery.tryNow(),
    });
    this.#delivery = new AnswerDelivery({
      send: (answer, key) => this.#api.post(this.#path, answer, { idempotencyKey: key }),
      onDelay: () => this.#view.showDelay(),
    });
    const interrupted = this.#interruptedAnswer();
    if (interrupted) this.#ask().then(() => this.#answer(interrupted.given, interrupted.key, interrupted.evidence));
    else this.#showWhatIsStored();
  }

  get #isInline() {
    return this.hasAttribute("inline");
  }

  get #path() {
    return `/v1/meetings/${encodeURIComponent(this.getAttribute("meeting-id"))}/consent`;
  }

  async #showWhatIsStored() {
    try {
      this.#answered = (await this.#api.get(this.#path)).answer?.consent_given ?? null;
    } catch (error) {
      // Not knowing an earlier answer is no reason not to ask.
      console.warn("the stored answer could not be read, so the question is asked:", error.message);
    }
    if (this.#answered === null) this.#ask();
    else this.#showAnswered();
  }

  #showAnswered({ announce = false } = {}) {
    this.#view.showAnswered(this.#answered, { announce });
    this.#offerReceipt();
  }

  /** Its link stays the same whatever is answered later, so it is asked for once. */
  async #offerReceipt() {
    if (this.#isOffered || this.#isInline) return;
    this.#isOffered = true;
    try {
      const { change_url } = await persistently(() => this.#api.get(`${this.#path}/receipt`));
      this.#view.showReceipt(change_url);
    } catch (error) {
      console.warn("there is no receipt:", error.message);
    }
  }

  async #ask({ moveFocus = false } = {}) {
    this.#view.showQuestion(this.#answered, { moveFocus });
  }

  async #answer(given, key, evidence) {
    const answer = { consent_given: given, notice_version: this.#texts.noticeVersion, language: this.#texts.language };
    this.#latest = key;
    this.#keepUntilStored(given, key, evidence);
    this.#isDelivering = true;
    this.#view.showDelivering(given);
    evidence ??= await this.#evidence();
    // Of answers that follow each other quickly the last one counts, and alone is told of.
    if (key !== this.#latest) return;
    this.#keepUntilStored(given, key, evidence);
    try {
      const stored = await this.#delivery.deliver({ ...answer, ...evidence }, key);
      if (key === this.#latest) this.#settle(stored);
    } catch (error) {
      if (key === this.#latest) this.#refuse(error);
    }
  }

  async #evidence() {
    const taken = this.hasAttribute("no-fingerprint") ? null : await fingerprint();
    return taken ? { fingerprint: taken } : {};
  }

  #settle(stored) {
    this.#isDelivering = false;
    this.#answered = stored.consent_given;
    this.#forgetInterrupted();
    this.#showAnswered({ announce: true });
    this.dispatchEvent(new CustomEvent("consent-stored", { detail: stored, bubbles: true, composed: true }));
  }

  #refuse(error) {
    this.#isDelivering = false;
    this.#forgetInterrupted();
    this.#view.showRefusal(error.message);
  }

  #postpone() {
    if (this.#isDelivering) return;
    if (this.#answered === null) this.#view.showPostponed();
    else this.#showAnswered();
    this.dispatchEvent(new CustomEvent("consent-postponed", { bubbles: true, composed: true }));
  }

  // Escape belongs to us only while the focus is here or nowhere in particular: other parts of a page may use it too.
  #postponeByKey(event) {
    if (event.key !== "Escape" || event.defaultPrevented || this.#isInline || !this.#view?.isAsking) return;
    if (event.target === document.body || event.target === document.documentElement || event.target === this) {
      this.#postpone();
    }
  }

  // A tab closed or reloaded before the answer was stored takes it up again, the same one under the same key; never one
  // that somebody else gave in this browser.
  get #storageKey() {
    return `assent.answer.${this.getAttribute("meeting-id")}.${claimsOf(this.token).sub}`;
  }

  #keepUntilStored(given, key, evidence) {
    browserStore.set(this.#storageKey, JSON.stringify({ given, key, evidence }));
  }

  #forgetInterrupted() {
    browserStore.remove(this.#storageKey);
  }

  #interruptedAnswer() {
    const kept = browserStore.getJson(this.#storageKey);
    return typeof kept?.given === "boolean" && typeof kept.key === "string" ? kept : null;
  }
}

customElements.define("recording-consent", RecordingConsent);
