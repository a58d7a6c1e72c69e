// Functions that make elements. No function of the page parses HTML: text stays text.

import {
  isUnsure, labelTexts, moveCommand, pathOf, printable, scoreText, shellWord, watchOf,
} from "./data.js";
import { showThumbnail } from "./thumbnails.js";

/** @typedef {import("./data.js").Image} Image */

/** @param {string} id */
export function $(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element #${id}.`);
  return element;
}

/**
 * An element of page.html that is of a certain kind.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 */
function elementOf(id, kind) {
  const element = $(id);
  if (!(element instanceof kind)) throw new Error(`The element #${id} is no ${kind.name}.`);
  return element;
}

/** @param {string} id */
export const $input = (id) => elementOf(id, HTMLInputElement);
/** @param {string} id */
export const $select = (id) => elementOf(id, HTMLSelectElement);
/** @param {string} id */
export const $button = (id) => elementOf(id, HTMLButtonElement);
/** @param {string} id */
export const $dialog = (id) => elementOf(id, HTMLDialogElement);
/** @param {string} id */
export const $details = (id) => elementOf(id, HTMLDetailsElement);
/** @param {string} id */
export const $image = (id) => elementOf(id, HTMLImageElement);

/**
 * Make an element. An attribute `onNAME` is a listener. The attribute is left out if its value is
 * false or null.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | ((event: any) => unknown)>} attributes
 * @param {(string | Node)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** @param {Image} image */
export function thumbnail(image) {
  const picture = make("img", { alt: "", decoding: "async", loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  showThumbnail(picture, image);
  return picture;
}

/** @param {Image} image */
export const spokenName = (image) =>
  [printable(image.name), image.score === null ? "no score" : `score ${scoreText(image.score)}`,
    image.label ? `labelled ${labelTexts(image)[1]}` : ""].filter(Boolean).join(", ");

/** @param {Image} image */
export const mark = (image) => make("span", { class: `mark ${image.label}` }, labelTexts(image)[0]);

/** @param {Image} image */
export function scoreChip(image) {
  return make("span", { class: isUnsure(image) ? "score unsure" : "score" }, scoreText(image.score));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let clearing;

/**
 * Show a message for 4 s. A screen reader reads it out.
 * @param {string} text
 */
export function announce(text) {
  const status = $("status");
  (document.querySelector("dialog[open]") || document.body).append(status);
  status.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => { status.textContent = ""; }, 4000);
}

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { "aria-hidden": "true" });
    (document.querySelector("dialog[open]") || document.body).append(field);
    field.value = text;
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    if (!copied) return announce(`The browser does not allow copying. Copy it by hand: ${text}`);
  }
  return announce(`Copied: ${text}`);
}

/** @param {Image} image */
export const copyPath = (image) => copy(shellWord(pathOf(image)));
/**
 * @param {Image} image
 * @param {"keep" | "trash"} kind
 */
export const copyMove = (image, kind) => copy(moveCommand([image], watchOf(image)[kind] || ""));

/**
 * Begin a part of the page with a title and a sentence.
 * @param {HTMLElement} section
 * @param {string} title
 * @param {string} lead
 */
export function head(section, title, lead) {
  section.replaceChildren(make("h2", {}, title), make("p", { class: "lead" }, lead));
}
