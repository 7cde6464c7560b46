/**
 * What <recording-consent> shows: the question, the small button to come back to it, and the quiet answered state; or,
 * as a part of a page, the question alone, whatever was answered.
 */

import { element, symbol } from "./elements.js";
import { style } from "./recording-consent-style.js";

/** Builds the parts into a shadow root and returns the view that switches between them. */
export function build(root, texts, isInline, handlers) {
  root.adoptedStyleSheets = [style];
  const view = new ConsentView(texts, isInline, handlers);
  root.append(...view.parts);
  return view;
}

class ConsentView {
  #texts;
  #isInline;
  #heading;
  #current;
  #answers;
  #later;
  #delivery;
  #deliveryText;
  #tryNow;
  #question;
  #comeBack;
  #said;
  #sentence;
  #change;
  #receipt;
  #heard = element("p", { role: "status", class: "heard" });

  constructor(texts, isInline, handlers) {
    this.#texts = texts;
    this.#isInline = isInline;
    this.#buildQuestion(handlers);
    this.#comeBack = button("come-back", texts.say("consent.come_back"), handlers.onReturn);
    this.#sentence = element("span");
    this.#change = button("quiet", "", handlers.onReturn);
    this.#change.append(...this.#worded("change"));
    // In a tab of its own: nobody is to leave the call by it.
    this.#receipt = element("a", { class: "quiet", target: "_blank", hidden: true }, texts.say("consent.receipt"));
    this.#said = element("span", { class: "said", hidden: true }, this.#sentence, this.#change, this.#receipt);
    this.#comeBack.hidden = true;
  }

  get parts() {
    return [this.#question, this.#comeBack, this.#said, this.#heard];
  }

  get isAsking() {
    return !this.#question.hidden;
  }

  showQuestion(answered, { moveFocus = false } = {}) {
    this.#current.hidden = answered === null || this.#isInline;
    if (answered !== null) this.#current.textContent = this.#texts.say(`consent.current_${wordFor(answered)}`);
    this.#later.textContent = this.#texts.say(answered === null ? "consent.later" : "consent.keep_answer");
    this.#pressed(null);
    this.#later.hidden = this.#isInline;
    this.#delivery.hidden = true;
    this.#show(this.#question);
    // The heading, not an answer: nobody should answer by pressing Enter once too often.
    if (moveFocus) this.#heading.focus();
    else if (answered === null) this.#announce("consent.waiting");
  }

  showDelivering(given) {
    this.#pressed(given);
    // A hidden button would drop the focus to the page's start.
    if (this.#later.matches(":focus")) this.#heading.focus();
    this.#later.hidden = true;
    this.#showDelivery(this.#texts.say("consent.storing"));
  }

  showDelay() {
    this.#showDelivery(this.#texts.say("consent.not_stored"), { retry: true });
  }

  showRefusal(why) {
    this.#pressed(null);
    this.#later.hidden = this.#isInline;
    this.#showDelivery(why);
  }

  /** `announce` says why now: "stored" as it was pressed, "changed" by something newer, null where nobody waits. */
  showAnswered(given, { announce = null } = {}) {
    const key = announce === "changed" ? `consent.${wordFor(given)}` : "consent.stored";
    if (this.#isInline) {
      this.showQuestion(given);
      if (announce) this.#showDelivery(this.#texts.say(key));
      return;
    }
    this.#said.querySelector("svg")?.remove();
    this.#said.prepend(symbol(given ? "check" : "cross"));
    this.#sentence.replaceChildren(...this.#worded(wordFor(given)));
    this.#show(this.#said, this.#change);
    if (announce) this.#announce(key);
  }

  showReceipt(url) {
    this.#receipt.href = url;
    this.#receipt.hidden = false;
  }

  showPostponed() {
    this.#show(this.#comeBack, this.#comeBack);
  }

  #buildQuestion(handlers) {
    const say = (key) => this.#texts.say(`consent.${key}`);
    this.#heading = element("h2", { id: "title", tabindex: "-1" }, say("title"));
    this.#current = element("p", { class: "current", hidden: true });
    this.#answers = new Map([true, false].map((given) => [given, answerButton(say, given, handlers.onAnswer)]));
    this.#later = button("later", say("later"), handlers.onPostpone);
    this.#deliveryText = element("p", { role: "status" });
    this.#tryNow = button("try-now", say("try_now"), handlers.onTryNow);
    this.#delivery = element("div", { class: "delivery", hidden: true }, this.#deliveryText, this.#tryNow);
    const notice = element("ul", { id: "notice" }, ...say("notice").map((line) => element("li", {}, line)));
    const words = element("div", { class: "words" }, this.#heading, notice, this.#current);
    makeScrollable(words);
    this.#question = element(
      "section",
      { class: "question", role: this.#isInline ? "group" : "dialog", "aria-labelledby": "title", "aria-describedby": "notice", hidden: true },
      words,
      element(
        "div",
        { class: "actions" },
        element("div", { class: "answers" }, ...this.#answers.values()),
        this.#delivery,
        this.#later,
      ),
    );
  }

  /** In fewer words where there is little room; whoever listens hears all of them. */
  #worded(key) {
    const short = element("span", { class: "short", "aria-hidden": "true" }, this.#texts.say(`consent.${key}_short`));
    return [element("span", { class: "sentence" }, this.#texts.say(`consent.${key}`)), short];
  }

  // Focus follows only where it was inside what disappears: somebody busy in the call is not pulled out of it.
  #show(part, focusTarget = null) {
    const hadFocus = this.#question.getRootNode().activeElement !== null;
    for (const each of [this.#question, this.#comeBack, this.#said]) each.hidden = each !== part;
    if (hadFocus) focusTarget?.focus();
  }

  #showDelivery(text, { retry = false } = {}) {
    this.#delivery.hidden = false;
    if (!retry && this.#tryNow.matches(":focus")) this.#heading.focus();
    this.#tryNow.hidden = !retry;
    if (this.#deliveryText.textContent !== text) this.#deliveryText.textContent = text;
  }

  #pressed(given) {
    for (const [value, each] of this.#answers) each.setAttribute("aria-pressed", String(value === given));
  }

  #announce(key) {
    this.#heard.textContent = this.#texts.say(key);
  }
}

/** By keyboard it is scrolled with the focus in it, which it takes only while there is something to scroll. */
function makeScrollable(words) {
  const observer = new ResizeObserver(() => {
    const isTooLong = words.scrollHeight > words.clientHeight;
    for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-labelledby": "title" })) {
      if (isTooLong) words.setAttribute(name, value);
      else words.removeAttribute(name);
    }
  });
  observer.observe(words);
}

function wordFor(given) {
  return given ? "granted" : "denied";
}

function answerButton(say, given, onAnswer) {
  return button("answer", say(given ? "grant" : "deny"), () => onAnswer(given));
}

function button(className, label, onClick) {
  const made = element("button", { type: "button", class: className }, label);
  made.addEventListener("click", onClick);
  return made;
}
