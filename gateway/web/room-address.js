/** A room's address, which people are sent: a button that copies it, and the address itself where it is wanted. */

import { element } from "./elements.js";

export class RoomAddress {
  #texts;
  #address;
  #says = element("p", { class: "hint", role: "status" });

  /** `button`, and `box` with the address: to be seen at once where `isNew`, else only where it cannot be copied. */
  constructor(texts, room, { isNew }) {
    this.#texts = texts;
    this.#address = element("p", { hidden: !isNew }, new URL(`/${encodeURIComponent(room)}`, location.href).href);
    this.button = element("button", { type: "button", class: "quiet" }, texts.say("home.copy"));
    this.button.setAttribute("aria-label", texts.say("home.copy_of", { room }));
    this.button.addEventListener("click", () => this.#copy());
    const tells = isNew ? element("p", { class: "hint" }, texts.say("home.address_send")) : null;
    this.box = element("div", { class: "address" }, tells, this.#address, this.#says);
  }

  async #copy() {
    this.#says.textContent = "";
    try {
      await navigator.clipboard.writeText(this.#address.textContent);
      this.#says.textContent = this.#texts.say("home.copied");
    } catch {
      // Not there without TLS, or forbidden.
      this.#address.hidden = false;
      getSelection().selectAllChildren(this.#address);
      this.#says.textContent = this.#texts.say("home.copy_by_hand");
    }
  }
}
