// The floor of the page's scripts: reading its packed blocks, letting others run, the theme.

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Gives way to clicks, keys and painting. */
const pause = () =>
  new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); go(); };
    port2.postMessage(0);
  });

/** Makes an element whose children are text, or elements made here; never HTML. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Calls `take` with each piece of a packed block's text. */
async function unpack(name, take) {
  const letters = find(`#data-${name}`).textContent;
  const step = 4 * 32768;
  let at = 0;
  const bytes = new ReadableStream({
    pull(controller) {
      if (at >= letters.length) { controller.close(); return; }
      const part = atob(letters.slice(at, at + step));
      at += step;
      const given = new Uint8Array(part.length);
      for (let i = 0; i < part.length; i++) given[i] = part.charCodeAt(i);
      controller.enqueue(given);
    },
  });
  const text = bytes.pipeThrough(new DecompressionStream("gzip")).pipeThrough(new TextDecoderStream());
  const reader = text.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    await take(value);
  }
}

// What has no glyph of its own or moves its neighbours; the same as in untrusted.py, and tested so.
const HIDDEN =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Spells a hidden character as Python does. */
function spelled(character) {
  const code = character.codePointAt(0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
  return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}

/** Gives text for one line: hidden characters spelled out. */
const plain = (text) => text.replace(HIDDEN, spelled);

/** Gives text as nodes in which hidden characters are spelled out and marked as such. */
function nodes(text) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > end) found.push(text.slice(end, match.index));
    found.push(make("span", { class: "hidden" }, spelled(match[0])));
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push(text.slice(end));
  return found;
}

/** Keeps light or dark as the reader last chose; without a choice the system decides. */
function theme() {
  const button = find("button.theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const now = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const name = () => {
    button.textContent = now() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Show the page in ${button.textContent.toLowerCase()} colours`);
  };
  try {
    const kept = localStorage.getItem("modicum-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a page without storage follows the system */ }
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    try { localStorage.setItem("modicum-theme", root.dataset.theme); } catch { /* as above */ }
    name();
  });
  dark.addEventListener("change", name);
  name();
  button.hidden = false;
}

/** Opens the subject that a link leads to, for a closed one cannot be scrolled to. */
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const closed = target && target.closest("details:not([open])");
  if (!closed) return;
  closed.open = true;
  target.scrollIntoView();
}
