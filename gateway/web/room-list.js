/** The owner's rooms on the first page: each leads into the call and, once it is opened, to its meetings. */

import { element } from "./elements.js";
import { whyFailed } from "./failures.js";
import { RoomAddress } from "./room-address.js";
import { RoomMeetings } from "./room-meetings.js";

// As few rooms as these show their meetings at once; of more, only those that somebody opens are asked for.
const FEW = 3;

export class RoomList {
  #api;
  #texts;
  #list = document.querySelector("#rooms");
  #none = document.querySelector("#no-rooms");
  #more = document.querySelector("#more-rooms");
  #says = document.querySelector("#rooms-say");
  #names = new Set();
  #next = "";

  constructor(api, texts) {
    this.#api = api;
    this.#texts = texts;
    this.#more.onclick = () => this.#showMore();
  }

  /** The first of them, in place of whatever was shown before. */
  async load() {
    const page = await this.#page();
    this.#list.replaceChildren();
    this.#names.clear();
    const areFew = page.rooms.length <= FEW;
    this.#append(page, areFew);
    this.#none.hidden = page.rooms.length > 0;
  }

  /** A room that was just created; the focus goes to it, since whoever made it wants to go in. */
  add(room) {
    if (this.#names.has(room.name)) return;
    const card = this.#card(room, { isNew: true });
    this.#list.prepend(card);
    this.#none.hidden = true;
    card.querySelector("a").focus();
  }

  async #showMore() {
    this.#says.textContent = "";
    try {
      const page = await this.#page();
      const before = this.#list.children.length;
      this.#append(page, false);
      // The button may go: the focus goes to what came, or to what is last.
      (this.#list.children[before] ?? this.#list.lastElementChild).querySelector("a").focus();
    } catch (error) {
      this.#says.textContent = whyFailed(this.#texts, error);
    }
  }

  async #page() {
    return this.#api.get(`/v1/rooms?${new URLSearchParams(this.#next && { page_token: this.#next })}`);
  }

  #append({ rooms, next_page_token: next }, opensThem) {
    this.#next = next;
    // One that was created a moment ago is there already.
    const unknown = rooms.filter(({ name }) => !this.#names.has(name));
    this.#list.append(...unknown.map((room) => this.#card(room, { isOpen: opensThem })));
    this.#more.hidden = !next;
  }

  #card({ name }, { isOpen = false, isNew = false }) {
    this.#names.add(name);
    const link = element("a", { href: `/${encodeURIComponent(name)}` }, name);
    const meetings = new RoomMeetings(this.#api, this.#texts, name);
    if (isOpen) meetings.element.open = true;
    const address = new RoomAddress(this.#texts, name, { isNew });
    return element("li", {}, link, address.button, address.box, meetings.element);
  }
}
