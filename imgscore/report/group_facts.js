// The facts of the images of a group, and which of them differ.

import { sizeText } from "./data.js";
import { make } from "./elements.js";

/** @typedef {import("./data.js").Image} Image */

/**
 * The facts of an image. A fact that differs inside the group is marked.
 * @param {import("./types").Group} group
 * @param {Image[]} members
 * @param {number} at the position of the image in the group
 */
export function factsOf(group, members, at) {
  const sharpest = Math.max(0, ...group.sharpness.map((value) => value || 0));
  const sharpnessOf = (/** @type {number | null} */ value) =>
    (value === null || !sharpest ? "" : `${Math.round((100 * value) / sharpest)}\u00a0%`);
  /** @type {[string, string[]][]} */
  const columns = [
    ["Pixels", members.map((image) => (image.width ? `${image.width}\u00a0×\u00a0${image.height}` : ""))],
    ["Sharpness", group.sharpness.map(sharpnessOf)],
    ["Size", members.map((image) => sizeText(image.bytes))],
    ["Taken", members.map((image) => image.taken.replace("T", "\u00a0"))],
    ["Format", group.formats],
    ["Score", members.map((image) => (image.score === null ? "" : image.score.toFixed(2)))],
  ];
  return make("dl", {}, ...columns.filter(([, values]) => values.some(Boolean)).map(([name, values]) => {
    const differs = new Set(values).size > 1;
    return make("div", {}, make("dt", {}, name),
      make("dd", { class: differs ? "differs" : "", title: differs ? "differs in this group" : "" }, values[at] || "unknown"));
  }));
}
