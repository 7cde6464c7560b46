/** Follows one of the gateway's event streams over a WebSocket, and comes back to it when the line breaks. */

import { backOffMs, COOKIE } from "./api.js";

// Closed by the server because of who we are or what we asked for: asking again would change nothing.
const FINAL_CODES = new Set([1000, 1008, 4400, 4401, 4403, 4404]);

export class LiveEvents {
  #path;
  #token;
  #onEvent;
  #onConnection;
  #socket = null;
  #attempt = 0;
  #sequence = 0;
  #closed = false;

  /** `onEvent(name, data)` for each event; `onConnection(true | false)` as the line comes and goes. */
  constructor(path, token, { onEvent, onConnection = () => {} }) {
    this.#path = path;
    this.#token = token;
    this.#onEvent = onEvent;
    this.#onConnection = onConnection;
    this.#connect();
  }

  close() {
    this.#closed = true;
    this.#socket?.close();
  }

  #connect() {
    if (this.#closed) return;
    const address = new URL(this.#path, location.href);
    // What was seen already is not told again, where the stream numbers its events.
    if (this.#sequence) address.searchParams.set("after", this.#sequence);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    // A browser cannot set headers on a WebSocket; in the address the token would end up in logs.
    const presented = this.#token === COOKIE ? [] : [`bearer.${this.#token}`];
    this.#socket = new WebSocket(address, ["assent.v1", ...presented]);
    this.#socket.onopen = () => {
      this.#attempt = 0;
      this.#onConnection(true);
    };
    this.#socket.onmessage = (message) => {
      const { event, data, sequence = 0 } = JSON.parse(message.data);
      this.#sequence = sequence;
      this.#onEvent(event, data);
    };
    this.#socket.onclose = ({ code }) => {
      this.#onConnection(false);
      if (!FINAL_CODES.has(code)) setTimeout(() => this.#connect(), backOffMs(this.#attempt++));
    };
  }
}
