/** What to say to people where a request did not succeed; what the API says of it is for programmers, in the console. */

/** A sentence about what went wrong and what can be done about it. */
export function whyFailed(texts, error) {
  tellProgrammers(error);
  if (error.status === 401) return texts.say("page.token_refused");
  if (error.status === 404) return texts.say("page.gone");
  if (error.status === 429) return texts.say("page.too_often");
  if (error.reason === "OWNER_ONLY") return texts.say("page.owner_only");
  return texts.say(error.isTemporary ? "home.unreachable" : "page.failed");
}

/** Why an answer was not taken, for good. */
export function whyRefused(texts, error) {
  tellProgrammers(error);
  if (error.status === 401 || error.reason === "OTHER_MEETING") return texts.say("consent.refused_token");
  return texts.say(error.status === 404 ? "consent.refused_unknown" : "consent.refused");
}

function tellProgrammers(error) {
  console.info("a request did not succeed:", error.status, error.reason, error.message);
}
