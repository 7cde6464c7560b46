/** Delivers an answer until it is stored: one request at a time, the same key for every repetition, the newest wins. */

import { backOffMs } from "./api.js";

export class AnswerDelivery {
  #send;
  #insteadOf;
  #onDelay;
  #wanted = null;
  #running = null;
  #wake = () => {};

  /**
   * A press is {key, known, wasSent, isUnsure, …}: `known` is the revision of the person's own answer that was known at
   * the press, `wasSent` whether it may be stored already, and `isUnsure` whether one before it may. `send(press)` makes
   * one attempt; `insteadOf(press)` is asked before a press is sent once more, and resolves with what it gives way to:
   * an answer, null for none, undefined to send it. Both reject with an ApiError; `onDelay(error)` comes before a wait.
   */
  constructor({ send, insteadOf, onDelay }) {
    this.#send = send;
    this.#insteadOf = insteadOf;
    this.#onDelay = onDelay;
  }

  /**
   * Resolves with the answer that counts once the newest press is stored, or has given way; rejects when the server
   * refuses it for good. A press that is replaced before it was stored is never sent again: had it arrived after all,
   * the newer one arrives later and counts.
   */
  deliver(press) {
    this.#wanted = press;
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
      const press = this.#wanted;
      try {
        const counts = await this.#attempt(press);
        if (press === this.#wanted && counts !== undefined) return counts;
        attempt = 0;
      } catch (error) {
        if (press !== this.#wanted) {
          attempt = 0;
          continue;
        }
        if (!error.isTemporary && !error.isOvertaken) throw error;
        // Overtaken, it is looked at once more what stands: that decides what becomes of it.
        if (error.isTemporary) this.#onDelay(error);
        await this.#wait(backOffMs(attempt++, error.retryAfterSeconds));
      }
    }
  }

  /** Undefined where a newer press came before this one was sent. */
  async #attempt(press) {
    const instead = press.wasSent ? await this.#insteadOf(press) : undefined;
    if (instead !== undefined || press !== this.#wanted) return instead;
    press.wasSent = true;
    const stored = await this.#send(press);
    // What is stored of an earlier press is nothing newer to the one that replaced it.
    if (press !== this.#wanted) Object.assign(this.#wanted, { known: stored.revision, isUnsure: false });
    return stored;
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
