/** Speaks the gateway's HTTP API: bearer token, deadline, and problem+json turned into one kind of error. */

/** Stands for a token where the browser's cookie says who asks. */
export const COOKIE = "cookie";

const DEADLINE_MS = 10_000;
const DOWNLOAD_DEADLINE_MS = 300_000;
const WORTH_RETRYING = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * A request that did not succeed. `status` is 0 where no answer came at all; `reason` is the API's machine-readable
 * word for it.
 */
export class ApiError extends Error {
  constructor({ status, reason = "", detail = "", retryAfterSeconds = 0 }) {
    super(detail || reason || `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether the same request may succeed later without anything being changed about it. */
  get isTemporary() {
    return this.status === 0 || WORTH_RETRYING.has(this.status);
  }

  /** Whether the person has answered elsewhere since what the request says it knew of. */
  get isOvertaken() {
    return this.reason === "ANSWER_CHANGED";
  }
}

export class Api {
  #base;
  #token;

  /** `base` is the gateway's origin, empty for the page's own; `token` a bearer token, COOKIE, or null for nobody. */
  constructor({ base = "", token = null } = {}) {
    this.#base = base;
    this.#token = token;
  }

  async get(path) {
    return (await this.#request("GET", path)).json();
  }

  /** With `idempotencyKey` the request may be repeated without doing the thing twice. */
  async post(path, body, { idempotencyKey = null } = {}) {
    const headers = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
    // keepalive: somebody who answers and closes the tab at once has still answered.
    const init = { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers }, keepalive: true };
    return (await this.#request("POST", path, init)).json();
  }

  async patch(path, changes) {
    const init = { body: JSON.stringify(changes), headers: { "Content-Type": "application/json" } };
    return (await this.#request("PATCH", path, init)).json();
  }

  async delete(path) {
    await this.#request("DELETE", path);
  }

  async download(path) {
    return (await this.#request("GET", path, {}, DOWNLOAD_DEADLINE_MS)).blob();
  }

  /** Whether a media element may fetch this by itself, as it can where a cookie says who asks. */
  get canStream() {
    return this.#token === COOKIE;
  }

  /** Rejects as a download would, for a byte of it. */
  async probe(path) {
    await (await this.#request("GET", path, { headers: { Range: "bytes=0-0" } })).arrayBuffer();
  }

  async #request(method, path, init = {}, deadlineMs = DEADLINE_MS) {
    const headers = { Accept: "application/json", ...init.headers };
    const byCookie = this.#token === COOKIE;
    if (this.#token && !byCookie) headers.Authorization = `Bearer ${this.#token}`;
    const credentials = byCookie ? "same-origin" : "omit";
    let response;
    try {
      const signal = AbortSignal.timeout(deadlineMs);
      response = await fetch(this.#base + path, { ...init, method, headers, credentials, signal, cache: "no-store" });
    } catch (error) {
      throw new ApiError({ status: 0, reason: "UNREACHABLE", detail: String(error) });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response) {
  const isProblem = (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  // A proxy in between answers with a page of its own: then only the status says anything.
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  return new ApiError({
    status: response.status,
    reason: problem.reason,
    detail: problem.detail ?? problem.title,
    retryAfterSeconds: Number(response.headers.get("Retry-After")) || 0,
  });
}

/** What `ask` resolves to once it succeeds: asked again for as long as its failure is temporary. */
export async function persistently(ask) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!error.isTemporary) throw error;
      await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt, error.retryAfterSeconds)));
    }
  }
}

/** Milliseconds to wait before attempt `attempt` (0 is the first repetition): 1 s doubling up to 30 s, spread a little. */
export function backOffMs(attempt, retryAfterSeconds = 0) {
  const growing = Math.min(30_000, 1000 * 2 ** Math.min(attempt, 5)) * (0.75 + Math.random() / 4);
  return Math.max(growing, Math.min(retryAfterSeconds, 60) * 1000);
}
