/**
 * What a browser keeps for us, where it keeps anything: storage that is full, blocked or damaged stops nobody. What
 * could not be kept is known to this page alone, until it goes.
 */

class Store {
  #name;
  #memory = new Map();

  /** `name` is the window's own for it: a browser that blocks storage throws as soon as it is asked for. */
  constructor(name) {
    this.#name = name;
  }

  /** Null where there is nothing. */
  get(key) {
    return this.#memory.get(key) ?? attempt(() => window[this.#name].getItem(key));
  }

  /** What the JSON there says; null where there is none, or it is damaged. */
  getJson(key) {
    return attempt(() => JSON.parse(this.get(key)));
  }

  set(key, value) {
    // An older value must not outlive this one, should there be no room for it.
    this.remove(key);
    attempt(() => window[this.#name].setItem(key, value));
    if (this.get(key) !== value) this.#memory.set(key, value);
  }

  remove(key) {
    this.#memory.delete(key);
    attempt(() => window[this.#name].removeItem(key));
  }

  /** Every key that begins so. */
  keys(prefix) {
    const kept = attempt(() => Object.keys(window[this.#name])) ?? [];
    return [...new Set([...kept, ...this.#memory.keys()])].filter((key) => key.startsWith(prefix));
  }
}

function attempt(work) {
  try {
    return work();
  } catch {
    return null;
  }
}

/** For every tab, until it is removed. */
export const browserStore = new Store("localStorage");

/** For this tab alone, until it is closed. */
export const tabStore = new Store("sessionStorage");
