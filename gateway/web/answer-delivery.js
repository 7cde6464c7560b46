/** Delivers an answer until it is stored: one request at a time, the same key for every repetition, the newest wins. */

import { backOffMs } from "./api.js";

export class AnswerDelivery {
  #send;
  #onDelay;
  #wanted = null;
  #running = null;
  #wake = () => {};

  /**
   * `send(answer, key)` makes one attempt and rejects with an ApiError; `onDelay(error)` is called before each wait.
   */
  constructor({ send, onDelay }) {
    this.#send = send;
    this.#onDelay = onDelay;
  }

  /**
   * Resolves with the server's reply once the newest answer is stored, rejects when the server refuses it for good.
   * An answer that is replaced before it was stored is never sent again: had it arrived after all, the newer one
   * arrives later and counts.
   */
  deliver(answer, key) {
    this.#wanted = { answer, key };
    this.#wake();
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  /** Ends the present wait: the line may be back. */
  tryNow() {
    this.#wake();
  }

  async #run() {
    for (let attempt = 0; ; ) {
      const current = this.#wanted;
      try {
        const stored = await this.#send(current.answer, current.key);
        if (current === this.#wanted) return stored;
        attempt = 0;
      } catch (error) {
        if (current !== this.#wanted) {
          attempt = 0;
          continue;
        }
        if (!error.isTemporary) throw error;
        this.#onDelay(error);
        await this.#wait(backOffMs(attempt++, error.retryAfterSeconds));
      }
    }
  }

  #wait(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
