/** How <recording-consent> looks. Colours and place follow the page's custom properties where it sets them. */

export const style = new CSSStyleSheet();

style.replaceSync(`
:host {
  --surface: var(--recording-consent-surface, light-dark(#ffffff, #1b232d));
  --text: var(--recording-consent-text, light-dark(#17212b, #eaeff4));
  --muted: var(--recording-consent-muted, light-dark(#526070, #a3b0be));
  --line: var(--recording-consent-line, light-dark(#8593a1, #6b7a8a));
  --soft: var(--recording-consent-soft, light-dark(#eef2f5, #26313d));
  --accent: var(--recording-consent-accent, light-dark(#1d5c7a, #8ac4e2));
  /* What the dialog must leave free: the call's own bars above and below. */
  --above: var(--recording-consent-above, 7.5rem);
  --below: var(--recording-consent-below, 6.5rem);
  display: inline-flex;
  color: var(--text);
  font-family: inherit;
  font-size: 1rem;
  line-height: 1.5;
}
[hidden] { display: none !important; }
* { box-sizing: border-box; }
.question {
  position: fixed;
  z-index: 10;
  inset: auto 0 var(--below);
  margin: 0 auto;
  width: min(31rem, 100vw - 1.5rem);
  max-height: calc(100dvh - var(--above) - var(--below));
  display: flex;
  flex-direction: column;
  /* The words scroll; where there is no height even for the buttons, all of it does. */
  overflow-y: auto;
  background: var(--surface);
  border: 1px solid light-dark(#d8dfe6, #35414e);
  border-radius: 1rem;
  box-shadow: 0 1.25rem 3.5rem rgb(0 0 0 / 0.32), 0 0.125rem 0.5rem rgb(0 0 0 / 0.16);
  text-align: start;
}
:host([inline]), :host([in-page]) { display: block; }
:host(:is([inline], [in-page])) .question {
  position: static;
  width: auto;
  max-height: none;
  border-color: var(--recording-consent-line, light-dark(#d8dfe6, #35414e));
  box-shadow: none;
  animation: none;
}
:host([inline]) .actions { padding-bottom: 1.25rem; }
.words { flex: 0 1 auto; min-height: 5rem; overflow-y: auto; padding: 1.25rem 1.5rem 0; }
h2 { margin: 0 0 0.75rem; font-size: 1.1875rem; line-height: 1.3; font-weight: 650; text-wrap: balance; }
ul { margin: 0; padding: 0; list-style: none; color: var(--muted); font-size: 0.9375rem; }
li + li { margin-top: 0.5rem; }
.current { margin: 0.75rem 0 0; font-size: 0.9375rem; font-weight: 600; }
.actions { flex: none; padding: 1rem 1.5rem 0.75rem; }
.answers { display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem; }
button { font: inherit; color: inherit; cursor: pointer; }
button:focus-visible, a:focus-visible, .question:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.words:focus-visible { outline: 3px solid var(--accent); outline-offset: -3px; border-radius: 1rem; }
.answer {
  min-height: 3rem;
  padding: 0.5rem 0.75rem;
  border: 1.5px solid var(--line);
  border-radius: 0.625rem;
  background: var(--soft);
  font-weight: 600;
}
.answer:hover { border-color: var(--accent); }
.answer[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1.5px var(--accent); }
.later { display: block; min-height: 2.25rem; margin: 0.375rem auto 0; padding: 0.25rem 1rem; }
.later, .quiet { border: 0; border-radius: 0.5rem; background: none; color: var(--muted); font-size: 0.9375rem; }
.later:hover, .quiet:hover { color: var(--text); text-decoration: underline; text-underline-offset: 0.2em; }
.delivery { display: flex; flex-wrap: wrap; gap: 0.5rem 0.75rem; align-items: center; justify-content: space-between; margin: 0.75rem 0 0.5rem; }
.delivery p { flex: 1 1 10rem; min-width: 0; margin: 0; font-size: 0.9375rem; }
.delivery button { flex: none; min-height: 2.25rem; padding: 0.25rem 0.875rem; border: 1px solid var(--line); border-radius: 0.5rem; background: none; }
.said { display: inline-flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; font-size: 0.9375rem; color: var(--muted); }
.said svg { flex: none; width: 1rem; height: 1rem; color: var(--text); }
.quiet { padding: 0.375rem 0.5rem; min-height: 2.25rem; color: var(--accent); }
a.quiet { display: inline-flex; align-items: center; text-decoration: none; }
.short { display: none; }
.come-back {
  min-height: 2.25rem;
  padding: 0.25rem 0.875rem;
  border: 1px solid var(--line);
  border-radius: 2rem;
  background: var(--surface);
  font-size: 0.9375rem;
  font-weight: 600;
}
.come-back:hover { border-color: var(--accent); }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 34rem) {
  .words { padding: 1rem 1.125rem 0; }
  .actions { padding: 0.875rem 1.125rem 0.625rem; }
  .said { gap: 0 0.25rem; }
  :host(:not([in-page])) .sentence { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  :host(:not([in-page])) .short { display: inline; }
}
@media (max-width: 20rem) { .answers { grid-template-columns: 1fr; } }
/* Little height (a phone on its side, 200 % zoom): the lower bar stays free, the words scroll. */
@media (max-height: 34rem) {
  :host { --above: var(--recording-consent-above, 3.5rem); --below: var(--recording-consent-below, 5rem); }
  h2 { font-size: 1.0625rem; margin-bottom: 0.375rem; }
  .words { padding-top: 0.75rem; }
  .actions { padding: 0.5rem 1.5rem; }
  .answer { min-height: 2.5rem; }
}
@media (prefers-reduced-motion: no-preference) {
  .question { animation: appear 0.18s ease-out; }
  @keyframes appear { from { opacity: 0; transform: translateY(0.5rem); } }
}
`);
