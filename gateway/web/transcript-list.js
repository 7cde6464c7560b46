/** The owner's transcripts on the first page: the latest ones, or those in which something was said. */

import { element } from "./elements.js";
import { whyFailed } from "./failures.js";
import { clock } from "./texts.js";

const LONGEST_QUERY = 300;

export class TranscriptList {
  #api;
  #texts;
  #parts;
  #query = "";
  #next = "";
  #asked = 0;
  #recordings = new Map();
  #nextRecordings = "";

  constructor(api, texts) {
    this.#api = api;
    this.#texts = texts;
    const names = ["search", "query", "found", "recent", "no-transcripts", "transcripts", "transcripts-title", "more"];
    this.#parts = Object.fromEntries(names.map((name) => [name, document.querySelector(`#${name}`)]));
    this.#parts.query.value = new URLSearchParams(location.search).get("query")?.slice(0, LONGEST_QUERY) ?? "";
    // One of each, however often a page that could not be loaded begins again.
    this.#parts.search.onsubmit = (event) => {
      event.preventDefault();
      this.#search(this.#parts.query.value);
    };
    this.#parts.recent.onclick = () => {
      this.#parts.query.value = "";
      this.#search("");
      this.#parts.query.focus();
    };
    this.#parts.more.onclick = () => this.#try(() => this.#showMore());
  }

  /** What the address asks for: it keeps the query, so that whoever comes back from a transcript finds it again. */
  async load() {
    this.#query = this.#parts.query.value.trim();
    this.#show(await this.#page());
  }

  async #search(query) {
    this.#query = query.trim();
    const address = new URL(location.href);
    if (this.#query) address.searchParams.set("query", this.#query);
    else address.searchParams.delete("query");
    history.replaceState(history.state, "", address);
    this.#next = "";
    await this.#try(async () => this.#show(await this.#page()));
  }

  async #showMore() {
    const page = await this.#page();
    const first = this.#parts.transcripts.children.length;
    this.#append(page);
    this.#parts.transcripts.children[first]?.querySelector("a").focus();
  }

  /** Null where something else was asked for meanwhile. */
  async #page() {
    const asked = ++this.#asked;
    const parameters = new URLSearchParams();
    // A phone's keyboard curls the quotes that a phrase stands in.
    if (this.#query) parameters.set("query", this.#query.replaceAll(/[“”„«»]/g, '"'));
    if (this.#next) parameters.set("page_token", this.#next);
    const [page] = await Promise.all([this.#api.get(`/v1/transcripts?${parameters}`), this.#learnRecordings()]);
    return asked === this.#asked ? page : null;
  }

  /** When they were recorded, and which audio was kept: the next page of them, and the list does without where it must. */
  async #learnRecordings() {
    if (this.#nextRecordings === null) return;
    const parameters = new URLSearchParams(this.#nextRecordings && { page_token: this.#nextRecordings });
    try {
      const { recordings, next_page_token: next } = await this.#api.get(`/v1/recordings?${parameters}`);
      for (const recording of recordings) this.#recordings.set(recording.id, recording);
      this.#nextRecordings = next || null;
    } catch (error) {
      console.info("the recordings could not be asked for:", error.message);
    }
  }

  #show(page) {
    if (!page) return;
    this.#parts.transcripts.replaceChildren();
    this.#append(page);
    const isEmpty = page.transcripts.length === 0;
    const said = isEmpty ? "home.found_nothing" : "home.found";
    this.#parts.found.textContent = this.#query && this.#texts.say(said, { query: this.#query });
    this.#parts.recent.hidden = !this.#query;
    this.#parts.search.hidden = isEmpty && !this.#query;
    this.#parts["no-transcripts"].hidden = !isEmpty || this.#query !== "";
    const title = this.#query ? "home.search_results" : "home.transcripts";
    this.#parts["transcripts-title"].textContent = this.#texts.say(title);
  }

  #append(page) {
    if (!page) return;
    this.#next = page.next_page_token;
    this.#parts.transcripts.append(...page.transcripts.map((transcript) => this.#card(transcript)));
    this.#parts.more.hidden = !this.#next;
  }

  #card(transcript) {
    const address = `/transcripts/${encodeURIComponent(transcript.id)}`;
    const recording = this.#recordings.get(transcript.recording_id);
    const day = this.#texts.day(recording?.recorded_at ?? transcript.created_at);
    const facts = [
      transcript.title && day,
      this.#texts.say(`transcript.status_${transcript.status}`),
      transcript.duration_ms && clock(transcript.duration_ms),
      this.#audioOf(transcript, recording),
    ];
    const matches = (transcript.matches ?? []).map((match) => element("li", {}, this.#passage(address, match)));
    return element(
      "li",
      {},
      element("a", { href: address }, transcript.title || this.#texts.say("transcript.untitled", { day })),
      element("p", { class: "hint" }, facts.filter(Boolean).join(" · ")),
      matches.length ? element("ul", { class: "matches" }, ...matches) : null,
    );
  }

  #audioOf(transcript, recording) {
    if (transcript.audio_deleted) return this.#texts.say("home.audio_deleted");
    return recording?.state === "kept" && this.#texts.say("meeting.state_kept");
  }

  /** Leads to where it was said. */
  #passage(address, match) {
    const speaker = match.speaker ? element("span", { class: "speaker" }, this.#texts.speaker(match.speaker)) : null;
    return element(
      "a",
      { href: `${address}#segment-${match.index}` },
      element("span", { class: "at" }, clock(match.start_ms)),
      element("span", { class: "said" }, speaker, element("span", {}, ...marked(match))),
    );
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      const away = error.isTemporary && error.status !== 429;
      this.#parts.found.textContent = away ? this.#texts.say("home.search_unreachable") : whyFailed(this.#texts, error);
    }
  }
}

/** The text with what was looked for marked in it. Its places count code points, not the halves of them. */
function marked({ text, marks }) {
  const letters = Array.from(text);
  const parts = [];
  let end = 0;
  for (const mark of marks) {
    parts.push(letters.slice(end, mark.start).join(""));
    parts.push(element("mark", {}, letters.slice(mark.start, mark.end).join("")));
    end = mark.end;
  }
  return [...parts, letters.slice(end).join("")];
}
