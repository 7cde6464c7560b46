/** The transcript page's audio: plays it where it was kept, and says in a sentence where it was not. */

import { backOffMs } from "./api.js";
import { element } from "./elements.js";
import { certificateButton } from "./proofs.js";
import { Waveform } from "./waveform.js";

export class TranscriptAudio {
  #api;
  #texts;
  #transcript;
  #isOwner;
  #parts;
  #player = null;
  #waveform = new Waveform((fraction) => this.#seekTo(fraction));
  #isErased = false;
  #onTime;

  /** The certificate is offered to the room's owner alone; `onTime(milliseconds)` while it plays. */
  constructor(api, texts, transcript, { isOwner, onTime }) {
    this.#api = api;
    this.#texts = texts;
    this.#transcript = transcript;
    this.#isOwner = isOwner;
    this.#onTime = onTime;
    const byId = (id) => document.querySelector(`#${id}`);
    this.#parts = { section: byId("audio"), player: byId("player"), says: byId("audio-says"), proof: byId("proof") };
  }

  /** Asks until it is known whether there is audio: an undecided verdict is a matter of time. */
  async load() {
    this.#say("audio_loading");
    for (let attempt = 0; !this.#isErased; attempt++) {
      try {
        this.#play(await this.#source());
        await this.#drawWaveform();
        return;
      } catch (error) {
        if (!this.#explain(error)) return;
        await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt + 2, error.retryAfterSeconds)));
      }
    }
  }

  /** The audio is gone: what was fetched before is let go too. */
  showErased() {
    this.#isErased = true;
    this.#letGo();
    this.#say(this.#isOwner ? "audio_deleted" : "audio_deleted_unproven");
    if (!this.#isOwner) return;
    this.#parts.proof.replaceChildren(certificateButton(this.#api, this.#texts, this.#transcript.recording_id));
  }

  showMissing() {
    this.#say("audio_missing");
  }

  playFrom(milliseconds) {
    this.#player.currentTime = milliseconds / 1000;
    this.#player.play();
  }

  get isPlayable() {
    return this.#player !== null;
  }

  #path(file) {
    return `/v1/transcripts/${encodeURIComponent(this.#transcript.id)}/audio/${file}`;
  }

  async #source() {
    const path = this.#path("mp3");
    // A media element sends no Authorization header: without a cookie the bytes are fetched and played from memory.
    if (!this.#api.canStream) return URL.createObjectURL(await this.#api.download(path));
    await this.#api.probe(path);
    return path;
  }

  #play(source) {
    if (this.#isErased) return;
    const player = element("audio", { controls: true, src: source });
    player.addEventListener("error", () => player === this.#player && this.#onInterrupted());
    player.setAttribute("aria-label", this.#texts.say("transcript.audio"));
    player.addEventListener("timeupdate", () => {
      this.#waveform.showPlayed(player.currentTime / (player.duration || Infinity));
      this.#onTime(player.currentTime * 1000);
    });
    this.#player = player;
    this.#parts.player.replaceChildren(player);
    this.#parts.player.hidden = false;
    this.#say("audio_kept");
  }

  /** What is streamed may be withheld or erased half-way. */
  async #onInterrupted() {
    this.#letGo();
    this.#say("audio_failed");
    try {
      await this.#api.probe(this.#path("mp3"));
    } catch (error) {
      if (this.#explain(error)) this.load();
    }
  }

  async #drawWaveform() {
    const { waveform } = await this.#api.get(this.#path("waveform"));
    if (!waveform?.length || !this.isPlayable) return;
    this.#waveform.draw(waveform);
    this.#parts.player.prepend(this.#waveform.element);
  }

  /** Says what stands in the way; true where asking again makes sense. */
  #explain(error) {
    if (error.reason === "AUDIO_DELETED" || error.status === 410) this.showErased();
    else if (error.reason === "CONSENT_UNDECIDED") return this.#say("audio_undecided");
    else if (error.status === 404) this.showMissing();
    else {
      this.#say("audio_failed");
      return error.isTemporary;
    }
    return false;
  }

  #say(key) {
    this.#parts.section.hidden = false;
    this.#parts.says.textContent = this.#texts.say(`transcript.${key}`);
    return true;
  }

  #seekTo(fraction) {
    if (this.#player.duration) this.#player.currentTime = fraction * this.#player.duration;
  }

  #letGo() {
    if (this.#player) URL.revokeObjectURL(this.#player.src);
    this.#player?.pause();
    this.#player?.removeAttribute("src");
    this.#player?.load();
    this.#player = null;
    this.#parts.player.replaceChildren();
    this.#parts.player.hidden = true;
  }
}
