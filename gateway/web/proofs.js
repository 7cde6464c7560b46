/** What the owner takes along to prove something: a recording's certificate of erasure, a meeting's history of answers. */

import { element } from "./elements.js";
import { whyFailed } from "./failures.js";
import { saveFile } from "./page.js";

/** Fetches a recording's certificate of erasure, and says below the button why there is none. */
export function certificateButton(api, texts, recordingId) {
  return proofButton(texts, texts.say("page.certificate"), async () => {
    const { certificate } = await api.get(`/v1/recordings/${encodeURIComponent(recordingId)}/certificate`);
    // Bare, as whoever verifies it expects it.
    saveFile(new Blob([certificate], { type: "application/jose" }), `certificate-${recordingId}.jws`);
  });
}

/** Fetches every answer that was given in a meeting, signed. */
export function historyButton(api, texts, meetingId) {
  return proofButton(texts, texts.say("meeting.history"), async () => {
    const lines = await api.download(`/v1/meetings/${encodeURIComponent(meetingId)}/consent/history?format=jsonl`);
    saveFile(lines, `consent-history-${meetingId}.jsonl`);
  });
}

function proofButton(texts, label, fetch) {
  const button = element("button", { type: "button" }, label);
  const said = element("p", { class: "hint", role: "status" });
  button.addEventListener("click", async () => {
    said.textContent = "";
    try {
      await fetch();
    } catch (error) {
      const isEarly = error.reason === "NOT_ERASED";
      said.textContent = isEarly ? texts.say("page.certificate_later") : whyFailed(texts, error);
    }
  });
  return element("div", { class: "certificate" }, button, said);
}
