/** One recording on the meeting's page: the way it has gone, where it stands, and what came of it. */

import { element, symbol } from "./elements.js";
import { certificateButton } from "./proofs.js";

const STEPS = ["arrived", "transcribed", "settled"];
// At which of the steps a recording stands, by its state, and how it fares there.
const PLACES = {
  discovered: [0, "done"],
  transcribing: [1, "underway"],
  failed: [1, "stuck"],
  unmatched: [2, "stuck"],
  undecided: [2, "underway"],
  kept: [2, "done"],
  erasing: [2, "underway"],
  blocked: [2, "stuck"],
  erased: [2, "done"],
};
const MARKS = { done: "check", stuck: "cross" };

export class RecordingCard {
  #api;
  #texts;
  #isOwner;
  #recording = {};
  #transcript = null;
  #title = element("h3");
  #steps = STEPS.map(() => new Step());
  #explanation = element("p", { class: "hint" });
  #link = element("a");
  #leads = element("p", { hidden: true }, this.#link);
  #proof = element("div", { class: "proof" });

  /** The certificate is offered to the room's owner alone. */
  constructor(api, texts, { isOwner }) {
    this.#api = api;
    this.#texts = texts;
    this.#isOwner = isOwner;
    this.#link.textContent = texts.say("meeting.transcript");
    // The sentence below says the news; read out step by step it would be said twice.
    const way = element("ol", { class: "way", "aria-live": "off" }, ...this.#steps.map((step) => step.element));
    way.setAttribute("aria-label", texts.say("meeting.way"));
    this.element = element("li", {}, this.#title, way, this.#explanation, this.#leads, this.#proof);
  }

  /** Whether it is past its transcription and nobody has said yet how that went. */
  get lacksTranscript() {
    const [at] = PLACES[this.#recording.state];
    return (at > 1 || this.#recording.state === "failed") && !this.#transcript?.finished_at;
  }

  /** What is told later may leave out what was known before. Nothing is made anew: the focus may be on it. */
  show(recording) {
    Object.assign(this.#recording, recording);
    const { recorded_at: recordedAt, state, transcript_id: transcriptId } = this.#recording;
    const title = recordedAt
      ? this.#texts.say("meeting.recorded_at", { day: this.#texts.day(recordedAt) })
      : this.#texts.say("meeting.arrived_at");
    setText(this.#title, title);
    this.#showWay();
    setText(this.#explanation, this.#explanationOf());
    this.#link.href = `/transcripts/${encodeURIComponent(transcriptId ?? "")}`;
    this.#leads.hidden = !transcriptId || this.#isTranscriptDeleted;
    if (state !== "erased" || !this.#isOwner) this.#proof.replaceChildren();
    else if (!this.#proof.hasChildNodes()) this.#proof.append(certificateButton(this.#api, this.#texts, this.#recording.id));
  }

  /** `transcript` as the API lists it. */
  showTranscript(transcript) {
    this.#transcript = transcript;
    this.#showWay();
  }

  get #isTranscriptDeleted() {
    return this.#recording.reason === "OWNER_DELETED";
  }

  #showWay() {
    const [at, fares] = PLACES[this.#recording.state];
    const times = [this.#recording.discovered_at, at > 0 && this.#transcript?.finished_at, this.#recording.erased_at];
    for (const [index, step] of this.#steps.entries()) {
      const [key, progress] = index === at ? [`state_${this.#recording.state}`, fares] : this.#besides(index, at);
      const time = times[index] ? { at: times[index], day: this.#texts.day(times[index]) } : null;
      step.show(this.#texts.say(`meeting.${key}`), progress, { isCurrent: index === at, time });
    }
  }

  /** What to say of a step that is over or still to come. Audio may be erased where there never was a transcript. */
  #besides(index, at) {
    if (index > at) return [`step_to_be_${STEPS[index]}`, "ahead"];
    if (index === 0) return ["state_discovered", "done"];
    if (this.#isTranscriptDeleted) return ["step_deleted", "done"];
    if (this.#transcript?.status === "failed") return ["state_failed", "stuck"];
    return [this.#transcript?.status === "no_audio" ? "step_no_audio" : "step_transcribed", "done"];
  }

  #explanationOf() {
    const { state, blocked_until: until } = this.#recording;
    if (state !== "blocked" || !until) return this.#texts.say(`meeting.explain_${state}`);
    return this.#texts.say("meeting.explain_blocked_until", { day: this.#texts.day(until) });
  }
}

/** A step of the way: its words say how it fares, and its mark and colour repeat it. */
class Step {
  #mark = element("span", { class: "mark" });
  #words = element("span", { class: "words" });
  #time = element("time", { hidden: true });
  element = element("li", {}, this.#mark, this.#words, this.#time);

  show(words, progress, { isCurrent, time }) {
    setText(this.#words, words);
    if (this.element.dataset.progress !== progress) {
      this.element.dataset.progress = progress;
      this.#mark.replaceChildren(...(MARKS[progress] ? [symbol(MARKS[progress])] : []));
    }
    if (isCurrent) this.element.setAttribute("aria-current", "step");
    else this.element.removeAttribute("aria-current");
    this.#time.hidden = !time;
    this.#time.dateTime = time?.at ?? "";
    setText(this.#time, time?.day ?? "");
  }
}

// Only a change is news to whoever listens to the page.
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
