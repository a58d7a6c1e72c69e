// The reasons for the score of the open image: similar labelled images, and traits. Used in a review only.

import { images, printable } from "./data.js";
import { $, $details, make, spokenName, thumbnail } from "./elements.js";
import { messageOf, post } from "./server.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {import("./types").Explanation} Explanation */

// Milliseconds that an image stays open before its reasons are requested: walking requests nothing.
const PAUSE = 250;
// A trait that changes the score by less is left out.
const MIN_CHANGE = 0.005;
/** @type {[("keeps" | "trashes" | "undecided" | "better" | "worse"), string][]} */
const KINDS = [
  ["keeps", "Similar images that you keep"], ["trashes", "Similar images that you trash"],
  ["undecided", "Similar images that you labelled undecided"],
  ["better", "Similar images that you liked more in a comparison"],
  ["worse", "Similar images that you liked less in a comparison"],
];

/** @type {Image | null} the image whose reasons are shown or requested */
let shown = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {(list: Image[], at: number) => void} */
let opener = () => {};

/**
 * Show the reasons for the score of an image if that part of the viewer is open.
 * @param {Image} image
 * @param {(list: Image[], at: number) => void} open opens an image in the viewer
 */
export function showReasons(image, open) {
  const part = $details("reasons");
  part.hidden = image.score === null;
  opener = open;
  shown = image;
  clearTimeout(timer);
  $("reasons-list").replaceChildren(make("p", { class: "why" }, part.open ? "Looking for similar images …" : ""));
  part.ontoggle = () => { if (part.open) request(image); };
  if (part.open && !part.hidden) timer = setTimeout(() => request(image), PAUSE);
}

export function hideReasons() {
  shown = null;
  clearTimeout(timer);
}

/** @param {Image} image */
async function request(image) {
  if (shown !== image) return;
  /** @type {Node[]} */
  let parts;
  try {
    const found = await post("explain", { image: image.number, sha256: image.sha256 }, "explain");
    parts = found.error ? [make("p", { class: "why" }, printable(found.error))] : partsOf(found, image);
  } catch (error) {
    parts = [make("p", { class: "why" }, printable(messageOf(error)))];
  }
  if (shown === image) $("reasons-list").replaceChildren(...parts);
}

/**
 * @param {Explanation} found
 * @param {Image} image
 */
function partsOf(found, image) {
  /** @type {HTMLElement[]} */
  const parts = KINDS.flatMap(([kind, title]) => {
    const near = found[kind].filter((similar) => images[similar.image]);
    if (!near.length) return [];
    const list = [image, ...near.map((similar) => images[similar.image])];
    return [make("h3", {}, `${title}:`), make("div", { class: "row reason" }, ...near.map((similar, at) => make("figure", {},
      make("button", {
        type: "button", class: `shot ${kind}`, "aria-label": `Open ${spokenName(list[at + 1])}`,
        onclick: () => opener(list, at + 1),
      }, thumbnail(list[at + 1])),
      make("figcaption", {}, `${Math.round(100 * similar.similarity)} % similar`))))];
  });
  const traits = found.traits.filter((trait) => Math.abs(trait.change) >= MIN_CHANGE);
  if (traits.length) {
    parts.push(make("h3", {}, "Traits:"), make("ul", { class: "traits" }, ...traits.map((trait) => make("li", {},
      `${trait.name} ${trait.change > 0 ? "raises" : "lowers"} the score by ${Math.abs(trait.change).toFixed(2)}`))));
  }
  if (!parts.length) parts.push(make("p", { class: "why" }, "No labelled image is similar, and no trait stands out."));
  return parts;
}
