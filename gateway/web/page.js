/** What every page does first: language, texts, the token from the address, and a way to sign in. */

import { Api, backOffMs } from "./api.js";
import { element } from "./elements.js";
import { whyFailed } from "./failures.js";
import { dropRefused, forgetToken, keepToken, pageTokens, session } from "./session.js";
import { onSignedOutElsewhere, signedInName, signInAddress, signOut, takeTokenFromAddress } from "./session.js";
import { chooseLanguage, Texts } from "./texts.js";

/** The page's texts, already filled into it. */
export async function startPage() {
  takeTokenFromAddress();
  session(); // asked for beside the texts
  // A link with a token into the page that is open already changes only the fragment.
  window.addEventListener("hashchange", () => takeTokenFromAddress() && location.reload());
  onSignedOutElsewhere(beginAgain);
  // Gone back to, a page is as it was left: by whoever was signed in then.
  window.addEventListener("pageshow", ({ persisted }) => persisted && beginAgain());
  const language = chooseLanguage(new URLSearchParams(location.search).get("lang"));
  try {
    const texts = await Texts.load(language);
    document.documentElement.lang = language;
    texts.fill(document);
    await showSignOut(texts);
    return texts;
  } finally {
    // Shown at last even where the texts could not be had: the page's own English is better than nothing.
    document.body.hidden = false;
  }
}

/** What is on the page may be somebody's who is signed in no more: it is not seen until it was asked for anew. */
function beginAgain() {
  document.body.hidden = true;
  location.reload();
}

/** The last part of the path, for pages at `/kind/{id}`. */
export function idFromAddress() {
  return decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
}

/** Replaces `container`'s content by a sentence about what is wrong, and what can be done about it. */
export function showProblem(container, title, explanation, action = null) {
  const parts = [heading(container, title), element("p", {}, explanation)];
  if (action) {
    const button = element("button", { type: "button", class: "primary" }, action.label);
    button.addEventListener("click", action.onClick);
    parts.push(button);
  }
  container.replaceChildren(element("section", { class: "problem", role: "alert" }, ...parts));
  container.hidden = false;
}

/**
 * Calls `load(api, token)` with the first of the tokens that this is open to; null ones are passed over. Asks to
 * sign in where there is none (with `invitation`'s title and explanation, if given) or none is accepted, shows `notFound`
 * ({title, explanation}) where there is no such thing, and tries again where the service cannot be reached. Where the
 * token is a part of the address, no other is asked for: `refused` says what is wrong with the address.
 */
export async function loadWithToken(container, texts, { tokens, invitation, refused, notFound, load }) {
  const known = tokens.filter(Boolean);
  if (known.length === 0) {
    await askToSignIn(container, texts, invitation ?? { explanation: texts.say("page.token_explained") });
    return;
  }
  for (let attempt = 0; ; attempt++) {
    const error = await firstThatOpens(known, load, () => showSignedIn(texts));
    if (!error) return;
    if (!error.isTemporary) {
      await explain(container, texts, error, { refused, notFound });
      return;
    }
    showProblem(container, texts.say("page.unavailable_title"), texts.say("page.unreachable"));
    await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt, error.retryAfterSeconds)));
  }
}

/** Null once one token opens it, else what was said to the first token, the likeliest, or why no more were tried. */
async function firstThatOpens(tokens, load, onDropped) {
  let refusal = null;
  for (const token of tokens) {
    try {
      await load(new Api({ token }), token);
      return null;
    } catch (error) {
      if (![401, 403, 404].includes(error.status)) return error;
      if (error.status === 401 && (await dropRefused(token))) onDropped();
      else refusal ??= error;
    }
  }
  return refusal;
}

async function explain(container, texts, error, { refused, notFound }) {
  if (error.status === 401 && refused) {
    showProblem(container, refused.title, refused.explanation);
  } else if (error.status === 401) {
    await askToSignIn(container, texts, { explanation: texts.say("page.token_refused") });
  } else if (error.status === 403 || error.status === 404) {
    showProblem(container, notFound.title, notFound.explanation);
  } else {
    showProblem(container, texts.say("page.unavailable_title"), whyFailed(texts, error), {
      label: texts.say("page.try_again"),
      onClick: () => location.reload(),
    });
    if (!error.status) throw error;
  }
}

// A way to sign in, in place of the container's content; the page starts again with it.
async function askToSignIn(container, texts, { title = texts.say("page.token_title"), explanation }) {
  const address = await signInAddress();
  const parts = [heading(container, title), element("p", {}, explanation)];
  if (address) {
    const link = element("a", { class: "button primary", href: address }, texts.say("page.sign_in"));
    // Signing in is the newer wish: a token from before must not come first.
    link.addEventListener("click", forgetToken);
    const instead = element("summary", {}, texts.say("page.token_instead"));
    parts.push(element("p", {}, link), element("details", {}, instead, tokenForm(texts)));
  } else {
    parts.push(tokenForm(texts));
  }
  container.replaceChildren(element("section", { class: "sign-in" }, ...parts));
  container.hidden = false;
}

function tokenForm(texts) {
  const described = { "aria-describedby": "token-hint", autocomplete: "off", spellcheck: "false" };
  const input = element("input", { id: "token", name: "token", required: true, ...described });
  const form = element(
    "form",
    { class: "token" },
    element("label", { for: "token" }, texts.say("page.token_label")),
    element("div", { class: "row" }, input, element("button", { class: "primary" }, texts.say("page.token_send"))),
    element("p", { id: "token-hint", class: "hint" }, texts.say("page.token_paste")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(input.value);
    location.reload();
  });
  return form;
}

// One h1 a page: where the page has its own, what stands in a part of it is one lower.
function heading(container, title) {
  return element(container.dataset.heading ?? "h1", {}, title);
}

/** Hands a fetched file to the browser's own download. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function showSignOut(texts) {
  const button = document.querySelector("#sign-out");
  if (!button || (await pageTokens()).length === 0) return;
  await showSignedIn(texts);
  button.hidden = false;
  button.addEventListener("click", async () => {
    await signOut().catch((error) => console.warn("signing out did not reach the gateway:", error.message));
    location.assign("/");
  });
}

/** Whose name everything here is done in, so that nobody acts as somebody else unawares. */
export async function showSignedIn(texts) {
  const name = await signedInName();
  const label = document.querySelector("#signed-in");
  label.textContent = name && texts.say("page.signed_in_as", { name });
  label.title = label.textContent; // where it is too long for its place
}
