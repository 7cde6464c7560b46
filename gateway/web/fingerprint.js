/** A fingerprint of this browser: evidence that ties an anonymous person's answers together, and a right to nothing. */

const PATIENCE_MS = 500;

let visitor = null;

/**
 * Resolves with the fingerprint, within about half a second and never with an error: null where the browser says that
 * its person does not want to be followed (Global Privacy Control, Do Not Track), or where none could be taken in time.
 */
export async function fingerprint() {
  if (navigator.globalPrivacyControl || navigator.doNotTrack === "1") return null;
  visitor ??= take().catch(() => null);
  return Promise.race([visitor, patience()]);
}

/** Ends when the page goes away, too: an answer that waits must not go with it. */
function patience() {
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS, null);
    addEventListener("pagehide", () => resolve(null), { once: true });
  });
}

async function take() {
  const { default: FingerprintJS } = await import("./vendor/fingerprintjs.js");
  // By itself it would wait longer for a quiet moment, and tell its makers once in a while that it is used.
  const agent = await FingerprintJS.load({ delayFallback: 10, monitoring: false });
  return (await agent.get()).visitorId;
}
