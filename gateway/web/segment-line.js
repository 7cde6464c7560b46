/** One segment of a transcript on the page: when it was said, by whom, and its text, which the owner may edit. */

import { element, symbol } from "./elements.js";
import { clock } from "./texts.js";

const LONGEST = 5000;

export class SegmentLine {
  #texts;
  #segment;
  #save;
  #time;
  #words;
  #edited = element("details", { class: "heard", hidden: true });
  #edit;
  #isEditable = false;
  #form = null;
  #saved = element("span", { class: "hint", role: "status" });

  /**
   * `showsSpeaker` where another spoke before. `onPlay(milliseconds)` when its time is pressed; `save(index, text)`
   * resolves to the segment as it is then, or rejects with what to say (a string).
   */
  constructor(segment, texts, { showsSpeaker, onPlay, save }) {
    this.#texts = texts;
    this.#save = save;
    const time = clock(segment.start_ms);
    this.#time = element("button", { type: "button", class: "time", disabled: true }, time);
    this.#time.setAttribute("aria-label", texts.say("transcript.jump", { time }));
    this.#time.addEventListener("click", () => onPlay(segment.start_ms));
    this.#words = element("p");
    const label = texts.say("transcript.edit", { time });
    this.#edit = element("button", { type: "button", class: "edit", title: label, "aria-label": label, hidden: true });
    this.#edit.append(symbol("pencil"));
    this.#edit.addEventListener("click", () => this.#open());
    const speaker = showsSpeaker ? element("span", { class: "speaker" }, texts.speaker(segment.speaker)) : null;
    const said = element("div", { class: "said" }, speaker, this.#words, this.#edited, this.#saved);
    this.element = element("li", { tabindex: "-1" }, this.#time, said, this.#edit);
    this.show(segment);
  }

  get segment() {
    return this.#segment;
  }

  /** The text as it is now, whoever changed it. */
  show(segment) {
    this.#segment = segment;
    this.#words.textContent = segment.text;
    this.#edited.hidden = !segment.edited;
    this.#edited.replaceChildren(...(segment.edited ? this.#heardParts(segment.original_text) : []));
  }

  /** Only while the audio can be played do the times lead anywhere. */
  set isPlayable(isPlayable) {
    this.#time.disabled = !isPlayable;
  }

  /** A form that is open stays open: what was typed must not be lost. */
  set isEditable(isEditable) {
    this.#isEditable = isEditable;
    this.#edit.hidden = !isEditable || this.#form !== null;
    for (const button of this.#edited.querySelectorAll("button")) button.hidden = !isEditable;
  }

  #heardParts(original) {
    const heard = element("span", {}, this.#texts.say("transcript.heard"), " ", element("q", {}, original));
    const restore = element("button", { type: "button" }, this.#texts.say("transcript.restore"));
    restore.hidden = !this.#isEditable;
    const says = element("span", { class: "refusal", role: "alert" });
    restore.addEventListener("click", () => this.#restore(original, says));
    const summary = element("summary", {}, this.#texts.say("transcript.edited"));
    return [summary, element("div", {}, heard, restore, says)];
  }

  #open() {
    const time = clock(this.#segment.start_ms);
    const text = element("textarea", { maxlength: LONGEST, rows: Math.ceil(this.#segment.text.length / 50) });
    text.setAttribute("aria-label", this.#texts.say("transcript.edit_label", { time }));
    text.value = this.#segment.text;
    text.addEventListener("keydown", (event) => this.#onKey(event));
    const save = element("button", { class: "primary" }, this.#texts.say("transcript.save"));
    const cancel = element("button", { type: "button" }, this.#texts.say("transcript.cancel"));
    cancel.addEventListener("click", () => this.#close());
    const keys = element("span", { class: "hint" }, this.#texts.say("transcript.edit_keys"));
    const says = element("span", { class: "refusal", role: "alert" });
    this.#form = element("form", {}, text, element("div", { class: "actions" }, save, cancel, keys), says);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(text, save, says);
    });
    this.#saved.textContent = "";
    this.#words.hidden = this.#edit.hidden = true;
    this.#words.after(this.#form);
    text.focus();
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") this.#close();
    // A segment is one line.
    if (event.key === "Enter") {
      event.preventDefault();
      this.#form.requestSubmit();
    }
  }

  async #submit(input, button, says) {
    const text = input.value.replaceAll(/\s+/g, " ").trim();
    says.textContent = text ? "" : this.#texts.say("transcript.edit_empty");
    if (!text || button.disabled) return;
    button.disabled = true;
    try {
      if (text !== this.#segment.text) await this.#change(text);
      this.#close();
    } catch (why) {
      says.textContent = String(why);
      input.focus();
    } finally {
      button.disabled = false;
    }
  }

  async #restore(heard, says) {
    says.textContent = "";
    try {
      await this.#change(heard);
      this.#edit.focus();
    } catch (why) {
      says.textContent = String(why);
    }
  }

  async #change(text) {
    this.show(await this.#save(this.#segment.index, text));
    this.#saved.textContent = this.#texts.say("transcript.saved");
  }

  #close() {
    this.#form?.remove();
    this.#form = null;
    this.#words.hidden = false;
    this.#edit.hidden = !this.#isEditable;
    this.#edit.focus();
  }
}
