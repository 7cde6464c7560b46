/** Draws the peaks of a recording, with the part already played in the accent's colour. */

const SVG = "http://www.w3.org/2000/svg";
const BARS = 240;
const HEIGHT = 64;

export class Waveform {
  #drawing = make("svg", { class: "waveform", viewBox: `0 0 ${BARS} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #played = make("rect", { x: 0, y: 0, width: 0, height: HEIGHT });

  /** `onSeek(fraction)` when somebody clicks into it; by keyboard the audio's own controls do the same. */
  constructor(onSeek) {
    const clip = make("clipPath", { id: "played" });
    clip.append(this.#played);
    this.#drawing.append(clip);
    this.#drawing.addEventListener("click", ({ clientX }) => {
      const { left, width } = this.#drawing.getBoundingClientRect();
      onSeek((clientX - left) / width);
    });
  }

  get element() {
    return this.#drawing;
  }

  /** `peaks`: loudness from 0 to 1, any number of them, evenly over the recording. */
  draw(peaks) {
    this.#drawing.querySelectorAll("path").forEach((path) => path.remove());
    const d = outline(peaks);
    this.#drawing.append(make("path", { d, class: "rest" }), make("path", { d, class: "played", "clip-path": "url(#played)" }));
  }

  showPlayed(fraction) {
    this.#played.setAttribute("width", String(fraction * BARS));
  }
}

function outline(peaks) {
  const loudest = Math.max(...peaks.map(Math.abs), 1e-6);
  const bars = Math.min(BARS, peaks.length);
  const step = BARS / bars;
  return Array.from({ length: bars }, (_, index) => {
    const part = peaks.slice(Math.floor((index * peaks.length) / bars), Math.ceil(((index + 1) * peaks.length) / bars));
    const height = Math.max(1.5, (Math.max(...part.map(Math.abs)) / loudest) * HEIGHT);
    const x = (index * step).toFixed(2);
    return `M${x} ${((HEIGHT - height) / 2).toFixed(2)}h${(step * 0.6).toFixed(2)}v${height.toFixed(2)}h-${(step * 0.6).toFixed(2)}z`;
  }).join("");
}

function make(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  return made;
}
