/** Tells the style how tall the bar above the call is: with a long name, or large letters, it has several lines. */

const bar = document.querySelector("header");

new ResizeObserver(() => document.body.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);
