/** The transcript page's text: segments as they are heard, then as they were stored, for the owner to edit. */

import { whyFailed } from "./failures.js";
import { SegmentLine } from "./segment-line.js";

export class TranscriptText {
  #api;
  #path;
  #texts;
  #transcript;
  #onPlay;
  #isOwner;
  #lines = new Map();
  #lastSpeaker = "";
  #parts;

  /** `path` is the transcript's in the API; `onPlay(milliseconds)` when a segment's time is pressed. */
  constructor(api, path, texts, transcript, { isOwner, onPlay }) {
    this.#api = api;
    this.#path = path;
    this.#texts = texts;
    this.#transcript = transcript;
    this.#isOwner = isOwner;
    this.#onPlay = onPlay;
    const byId = (id) => document.querySelector(`#${id}`);
    this.#parts = { list: byId("segments"), locked: byId("locked"), unlock: byId("unlock"), says: byId("unlock-says") };
    this.#parts.unlock.addEventListener("click", () => this.#unlock());
  }

  get isEmpty() {
    return this.#lines.size === 0;
  }

  clear() {
    this.#lines.clear();
    this.#lastSpeaker = "";
    this.#parts.list.replaceChildren();
  }

  /** Events may be replayed from the start: a segment is known by when it begins. */
  add(segment) {
    if (this.#lines.has(segment.start_ms)) return;
    const speaker = segment.speaker ?? "";
    const line = new SegmentLine(segment, this.#texts, {
      showsSpeaker: speaker !== "" && speaker !== this.#lastSpeaker,
      onPlay: this.#onPlay,
      save: (index, text) => this.#save(index, text),
    });
    this.#lastSpeaker = speaker;
    this.#lines.set(segment.start_ms, line);
    this.#parts.list.append(line.element);
  }

  /** Somebody edited it. */
  change(segment) {
    this.#lines.get(segment.start_ms)?.show(segment);
  }

  /** The transcript is complete: its owner may edit it, and an address may lead to one of its segments. */
  finish() {
    this.#showLock();
    const wanted = /^#segment-(\d+)$/.exec(location.hash)?.[1];
    const line = [...this.#lines.values()].find(({ segment }) => segment.index === Number(wanted));
    line?.element.scrollIntoView({ block: "center" });
    line?.element.focus({ preventScroll: true });
  }

  set isPlayable(isPlayable) {
    for (const line of this.#lines.values()) line.isPlayable = isPlayable;
  }

  markSpoken(milliseconds) {
    for (const { segment, element } of this.#lines.values()) {
      const isSpoken = segment.start_ms <= milliseconds && milliseconds < segment.end_ms;
      if (isSpoken) element.setAttribute("aria-current", "time");
      else element.removeAttribute("aria-current");
    }
  }

  #showLock() {
    const isLocked = this.#transcript.locked;
    this.#parts.locked.hidden = !this.#isOwner || !isLocked;
    for (const line of this.#lines.values()) {
      line.isEditable = this.#isOwner && !isLocked && this.#transcript.status === "completed";
    }
  }

  async #save(index, text) {
    try {
      return await this.#api.patch(`${this.#path}/segments/${index}`, { text });
    } catch (error) {
      if (error.reason === "TRANSCRIPT_LOCKED") {
        this.#transcript.locked = true;
        this.#showLock();
      }
      throw this.#whyNot(error);
    }
  }

  async #unlock() {
    this.#parts.says.textContent = "";
    try {
      const { locked } = await this.#api.patch(this.#path, { locked: false });
      this.#transcript.locked = locked;
      this.#showLock();
    } catch (error) {
      // Nothing was typed that could be lost.
      this.#parts.says.textContent = error.isTemporary ? whyFailed(this.#texts, error) : this.#whyNot(error);
    }
  }

  #whyNot(error) {
    if (error.reason === "TRANSCRIPT_LOCKED") return this.#texts.say("transcript.edit_locked");
    return error.isTemporary ? this.#texts.say("transcript.edit_unreachable") : whyFailed(this.#texts, error);
  }
}
