/** The pages' words: one file a language under texts/, chosen by `lang` or by what the browser prefers. */

const LANGUAGES = ["en", "de", "fr", "es", "nl", "nb"];
// Both written forms of Norwegian are understood by readers of either.
const ALIASES = { no: "nb", nn: "nb" };

/** The first of the wanted languages (BCP 47) that there is a file for, else English. */
export function chooseLanguage(...wanted) {
  for (const tag of [...wanted, ...navigator.languages]) {
    const primary = (tag ?? "").toLowerCase().split("-")[0];
    const language = ALIASES[primary] ?? primary;
    if (LANGUAGES.includes(language)) return language;
  }
  return "en";
}

const loading = new Map();

export class Texts {
  #texts;
  #region;

  constructor(language, texts) {
    this.language = language;
    // British and American English write dates differently: as the browser has it, where it has this language at all.
    this.#region = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
    this.noticeVersion = texts.notice_version;
    this.#texts = texts;
  }

  /** Fetched once, whoever asks: the page and each element on it. */
  static load(language) {
    if (!loading.has(language)) loading.set(language, fetchTexts(language));
    return loading.get(language);
  }

  /** The text at `section.key`, with `{name}` replaced by the value given for it. */
  say(path, values = {}) {
    const text = path.split(".").reduce((section, key) => section?.[key], this.#texts);
    if (text === undefined) throw new Error(`no text ${path} in ${this.language}`);
    return Array.isArray(text) ? text : text.replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  /** Puts the texts named by `data-text` and `data-label` into a page. */
  fill(root) {
    for (const element of root.querySelectorAll("[data-text]")) element.textContent = this.say(element.dataset.text);
    for (const element of root.querySelectorAll("[data-label]")) {
      element.setAttribute("aria-label", this.say(element.dataset.label));
    }
  }

  /** Who speaks: a track's name, or "Voice 2" where it has only a number. */
  speaker(name) {
    return /^\d+$/.test(name) ? this.say("transcript.voice", { number: name }) : name;
  }

  day(time) {
    return new Date(time).toLocaleString(this.#region, { dateStyle: "medium", timeStyle: "short" });
  }
}

async function fetchTexts(language) {
  try {
    const response = await fetch(new URL(`texts/${language}.json`, import.meta.url));
    if (!response.ok) throw new Error(`no texts in ${language}: HTTP ${response.status}`);
    return new Texts(language, await response.json());
  } catch (error) {
    loading.delete(language);
    throw error;
  }
}

/** 75 000 → 1:15, 3 675 000 → 1:01:15. */
export function clock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(seconds / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "");
}
