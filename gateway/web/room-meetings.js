/** The meetings of one room, newest first: asked for when they are opened for the first time, a few at a time. */

import { element } from "./elements.js";
import { whyFailed } from "./failures.js";

const A_FEW = 5;

export class RoomMeetings {
  #api;
  #texts;
  #room;
  #next = "";
  #summary;
  #list = element("ul", { class: "meetings" });
  #says = element("p", { class: "hint", role: "status" });
  #more = element("button", { type: "button", class: "quiet", hidden: true });
  #isAsked = false;

  constructor(api, texts, room) {
    this.#api = api;
    this.#texts = texts;
    this.#room = room;
    this.#summary = element("summary", {}, texts.say("home.meetings"));
    this.#summary.setAttribute("aria-label", texts.say("home.meetings_in", { room }));
    this.element = element("details", {}, this.#summary, this.#list, this.#says, this.#more);
    this.element.addEventListener("toggle", () => this.element.open && !this.#isAsked && this.#load());
    this.#more.addEventListener("click", () => this.#showMore());
  }

  async #load() {
    this.#isAsked = true;
    this.#says.textContent = this.#texts.say("home.meetings_loading");
    await this.#ask();
  }

  async #showMore() {
    const before = this.#list.children.length;
    // The button may go: the focus goes to what came instead.
    if (await this.#ask()) (this.#list.children[before]?.querySelector("a") ?? this.#summary).focus();
  }

  /** Shows the next few and is true; false where it says what went wrong, and offers to ask again. */
  async #ask() {
    const parameters = new URLSearchParams({ page_size: A_FEW, ...(this.#next && { page_token: this.#next }) });
    try {
      const page = await this.#api.get(`/v1/rooms/${encodeURIComponent(this.#room)}/meetings?${parameters}`);
      this.#next = page.next_page_token;
      this.#list.append(...page.meetings.map((meeting) => this.#line(meeting)));
      this.#says.textContent = this.#list.hasChildNodes() ? "" : this.#texts.say("home.no_meetings");
      this.#offer("home.more_meetings", this.#next !== "");
      return true;
    } catch (error) {
      this.#says.textContent = whyFailed(this.#texts, error);
      this.#offer("page.try_again", true);
      return false;
    }
  }

  #offer(key, isOffered) {
    this.#more.textContent = this.#texts.say(key);
    this.#more.hidden = !isOffered;
  }

  #line(meeting) {
    const link = element("a", { href: `/meetings/${encodeURIComponent(meeting.id)}` }, this.#texts.day(meeting.start_time));
    if (!meeting.is_active) return element("li", {}, link);
    return element("li", {}, link, element("span", { class: "state", "data-state": "active" }, this.#texts.say("meeting.active")));
  }
}
