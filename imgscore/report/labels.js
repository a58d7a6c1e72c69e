// Labels: shown at once, and stored by the server of the review. Used in a review only.

import { gradeOf, printable } from "./data.js";
import { $, $dialog, announce } from "./elements.js";
import { gallery } from "./gallery.js";
import { countLabel } from "./progress.js";
import { messageOf, post, settled } from "./server.js";
import { viewer } from "./viewer.js";

/** @typedef {import("./data.js").Image} Image */

/** @type {Image[]} the images whose labels can be undone, the last one last */
const undoable = [];

/** Forget the labels: after a new order, the images have other numbers. */
export const forgetUndo = () => { undoable.length = 0; };

/**
 * Show another label of an image. Nothing is stored.
 * @param {Image} image
 * @param {number | null} grade null: no label
 */
export function setLabel(image, grade) {
  const step = Number(grade !== null) - Number(image.grade !== null);
  image.grade = grade;
  if (step) countLabel(step);
  gallery.refresh(image);
  if ($dialog("viewer").open) viewer.update();
}

/**
 * Give an image a label.
 * @param {Image} image
 * @param {string} value
 */
export async function label(image, value) {
  const before = image.grade;
  setLabel(image, gradeOf(value));
  try {
    const row = await post("label", { image: image.number, sha256: image.sha256, label: value });
    take(image, row);
    // Without a number, the image had this label already: there is nothing to undo.
    if (row.number !== null) undoable.push(image);
  } catch (error) {
    setLabel(image, before);
    announce(`Could not set the label: ${messageOf(error)}. Is the review still running?`);
  }
}

async function undoLast() {
  await settled();
  const image = undoable.pop();
  if (!image) return announce("There is nothing to undo.");
  try {
    const row = await post("undo", { image: image.number, sha256: image.sha256 });
    take(image, row);
    if (!row.error) announce(`Undone: ${printable(image.name)}`);
  } catch (error) {
    undoable.push(image);
    announce(`Could not undo: ${messageOf(error)}`);
  }
  return null;
}

/**
 * Show the label that the store holds now.
 * @param {Image} image
 * @param {import("./types").LabelAnswer} row
 */
function take(image, row) {
  setLabel(image, row.grade ?? null);
  if (row.error) announce(row.error);
}

/** @type {Record<string, string>} */
const LABEL_KEYS = { k: "keep", t: "trash", x: "reject" };

/**
 * Handle a key of the review. It acts on the open image, or on the selected one of the gallery.
 * @param {{ key: string }} event
 */
export function reviewKey(event) {
  const open = $dialog("viewer").open;
  if (event.key === "u") {
    undoLast();
    return true;
  }
  const value = LABEL_KEYS[event.key] || (/^[1-5]$/.test(event.key) ? event.key : null);
  const image = open ? viewer.image : $("order").hidden ? null : gallery.list[gallery.at];
  if (!value || !image) return false;
  label(image, value);
  if (open && viewer.at < viewer.list.length - 1) viewer.show(viewer.at + 1);
  else if (!open) gallery.go(gallery.at + 1);
  return true;
}
