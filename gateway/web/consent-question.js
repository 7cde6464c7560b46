/** One question to one participant of one meeting: asked, answered, delivered, and shown as it stands. */

import { AnswerDelivery } from "./answer-delivery.js";
import { Api, persistently } from "./api.js";
import { whyRefused } from "./failures.js";
import { fingerprint } from "./fingerprint.js";
import { build } from "./recording-consent-view.js";
import { claimsOf } from "./session.js";
import { browserStore } from "./storage.js";
import { chooseLanguage, Texts } from "./texts.js";

export class ConsentQuestion {
  #host;
  #api;
  #path;
  #storageKey;
  #texts;
  #view;
  #delivery;
  #answered = null;
  #known = 0; // the revision of the answer that is known here
  #delivering = null;
  #heard = 0; // changes by other tabs to the answer that is kept
  #isOffered = false;
  #isLeft = false;

  /** `host` is the element, whose attributes say how to ask and which tells what happens. */
  constructor(host, { meetingId, token }) {
    this.#host = host;
    this.#api = new Api({ base: host.getAttribute("base") ?? "", token });
    this.#path = `/v1/meetings/${encodeURIComponent(meetingId)}/consent`;
    // A tab closed or reloaded before the answer was stored takes it up again, the same one under the same key; never
    // one that somebody else gave in this browser.
    this.#storageKey = `assent.answer.${meetingId}.${claimsOf(token).sub}`;
  }

  /** Another question takes its place: an answer that is under way is delivered all the same, and shown no more. */
  leave() {
    this.#isLeft = true;
  }

  /** The line may be back. */
  tryNow() {
    this.#delivery?.tryNow();
  }

  /** Into an element's shadow. */
  async start(root) {
    const closest = this.#host.closest("[lang]")?.lang;
    this.#texts = await Texts.load(chooseLanguage(closest));
    if (this.#isLeft) return;
    this.#view = build(root, this.#texts, this.#isInline, {
      onAnswer: (given) => this.#answer(this.#press(given)),
      onPostpone: () => this.#postpone(),
      onReturn: () => this.#ask({ moveFocus: true }),
      onTryNow: () => this.#delivery.tryNow(),
    });
    this.#delivery = new AnswerDelivery({
      send: (press) => this.#send(press),
      insteadOf: (press) => this.#insteadOf(press),
      onDelay: () => this.#view.showDelay(),
    });
    const interrupted = this.#kept();
    if (!interrupted) return this.#showWhatIsStored();
    this.#ask();
    // It was never heard whether it arrived.
    this.#answer({ known: 0, ...interrupted, wasSent: true });
  }

  get #isInline() {
    return this.#host.hasAttribute("inline");
  }

  async #showWhatIsStored() {
    try {
      this.#note(await this.#stored());
    } catch (error) {
      // Not knowing an earlier answer is no reason not to ask.
      console.warn("the stored answer could not be read, so the question is asked:", error.message);
    }
    if (this.#answered === null) this.#ask();
    else this.#showAnswered();
  }

  /** The person's own answer that counts now, null where there is none. */
  async #stored() {
    return (await this.#api.get(this.#path)).answer;
  }

  #note(answer) {
    this.#answered = answer?.consent_given ?? null;
    this.#known = answer?.revision ?? 0;
  }

  #showAnswered({ announce = null } = {}) {
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

  #ask({ moveFocus = false } = {}) {
    this.#view.showQuestion(this.#answered, { moveFocus });
  }

  #press(given) {
    const before = this.#delivering;
    const isUnsure = before !== null && (before.wasSent || before.isUnsure);
    const known = Math.max(this.#known, before?.known ?? 0);
    return { given, key: crypto.randomUUID(), known, isUnsure };
  }

  async #answer(press) {
    this.#delivering = press;
    this.#keep(press);
    this.#view.showDelivering(press.given);
    press.evidence ??= await this.#evidence();
    // Of answers that follow each other quickly the last one counts, and alone is told of.
    if (press !== this.#delivering) return;
    try {
      const counts = await this.#delivery.deliver(press);
      if (press === this.#delivering) this.#settle(press, counts);
    } catch (error) {
      if (press === this.#delivering) this.#refuse(press, error);
    }
  }

  async #send(press) {
    const asked = { notice_version: this.#texts.noticeVersion, language: this.#texts.language };
    this.#keep(press);
    const answer = { consent_given: press.given, ...asked, ...press.evidence };
    // They may answer elsewhere between the look at what stands and this attempt.
    if (press.seen !== undefined) answer.known_revision = press.seen;
    return this.#api.post(this.#path, answer, { idempotencyKey: press.key });
  }

  /** Nothing is sent once more over an answer that may be newer: one in another tab, elsewhere, or this very one. */
  async #insteadOf(press) {
    const before = this.#heard;
    const stored = await this.#stored();
    // Meanwhile another tab may have stored its answer, which would not be told of again.
    if (this.#heard !== before) return this.#insteadOf(press);
    if (this.#kept()?.key !== press.key) return stored;
    press.seen = stored?.revision ?? 0;
    if (press.seen <= press.known) return undefined;
    // Perhaps an earlier press of this page, whose reply was lost: then it is a refusal that must not be.
    if (press.isUnsure && !press.given && stored.consent_given) return undefined;
    return stored;
  }

  async #evidence() {
    const taken = this.#host.hasAttribute("no-fingerprint") ? null : await fingerprint();
    return taken ? { fingerprint: taken } : {};
  }

  #settle(press, counts) {
    this.#finish(press);
    this.#show(counts, counts?.consent_given === press.given ? "stored" : "changed");
  }

  /** Takes over what counts now; `announce` says how it came to that. */
  #show(answer, announce) {
    this.#note(answer);
    if (this.#isLeft) return;
    if (answer === null) return this.#ask();
    this.#showAnswered({ announce });
    this.#host.dispatchEvent(new CustomEvent("consent-stored", { detail: answer, bubbles: true, composed: true }));
  }

  #refuse(press, error) {
    this.#finish(press);
    this.#view.showRefusal(whyRefused(this.#texts, error));
  }

  /** Another tab keeps its answer for as long as it delivers it: then this one's is not the last any more. */
  async hearOtherTabs({ key, newValue }) {
    if (!this.#view || key !== this.#storageKey) return;
    this.#heard += 1;
    if (this.#delivering) return this.#delivery.tryNow();
    if (newValue !== null) return;
    try {
      const stored = await this.#stored();
      if (!this.#delivering && stored?.revision > this.#known) this.#show(stored, "changed");
    } catch (error) {
      console.warn("the answer of another tab could not be read:", error.message);
    }
  }

  #postpone() {
    if (this.#delivering) return;
    if (this.#answered === null) this.#view.showPostponed();
    else this.#showAnswered();
    this.#host.dispatchEvent(new CustomEvent("consent-postponed", { bubbles: true, composed: true }));
  }

  // Escape belongs to us only while the focus is here or nowhere in particular: other parts of a page may use it too.
  postponeByKey(event) {
    if (event.key !== "Escape" || event.defaultPrevented || this.#isInline || !this.#view?.isAsking) return;
    if (event.target === document.body || event.target === document.documentElement || event.target === this.#host) {
      this.#postpone();
    }
  }

  #keep({ given, key, evidence, known, isUnsure }) {
    browserStore.set(this.#storageKey, JSON.stringify({ given, key, evidence, known, isUnsure }));
  }

  #finish(press) {
    this.#delivering = null;
    if (this.#kept()?.key === press.key) browserStore.remove(this.#storageKey);
  }

  #kept() {
    const kept = browserStore.getJson(this.#storageKey);
    return typeof kept?.given === "boolean" && typeof kept.key === "string" ? kept : null;
  }
}
