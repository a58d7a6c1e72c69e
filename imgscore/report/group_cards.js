// The list of all groups: one card for each group.

import { images, moveCommand, page, pathOf, printable, shellWord, sizeText, watchOf } from "./data.js";
import { copy, head, make } from "./elements.js";
import { messageOf, post } from "./server.js";
import { imageButton } from "./viewer.js";
import { grow } from "./views.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {import("./types").Group} Group */

// Images of a group that are shown at first.
const MAX_GROUP = 12;

/** @type {Record<string, string>} */
const GROUP_KINDS = { bursts: "in a burst", "near-duplicates": "near-duplicates", copies: "copies" };

/** @param {Group} group */
export const groupTitle = (group) =>
  `${group.images.length} ${group.kind === "bursts" ? "images " : ""}${GROUP_KINDS[group.kind] || "similar images"}`;

/**
 * Get the groups from the server of the review, unless the page has them. Return whether it has them.
 * @param {HTMLElement} section shows what happens
 * @returns {Promise<boolean>}
 */
export async function loadGroups(section) {
  if (page.groups) return true;
  head(section, "Groups", "Looking for groups …");
  try {
    const { version } = page, found = await post("groups", {}, "groups");
    if (version !== page.version) return loadGroups(section); // the images have other numbers now
    Object.assign(page, found);
    return true;
  } catch (error) {
    head(section, "Groups", messageOf(error));
    return false;
  }
}

/**
 * Show all groups.
 * @param {HTMLElement} section
 * @param {((group: Group) => void) | null} open opens a group side by side; null in a report
 */
export function showCards(section, open) {
  const groups = page.groups || [];
  section.replaceChildren(make("h2", {}, "Groups"), make("p", { class: "lead" }, groups.length
    ? "Bursts, near-duplicates and copies. The first image of each group is the best one: it has more detail, and less noise and fewer traces of compression, than the others."
    : page.uncompared ? "" : "No two images are nearly the same."));
  if (page.review && page.uncompared) {
    section.append(make("p", { class: "lead" },
      `Images that are not compared yet: ${page.uncompared.toLocaleString("en")}. The daemon compares them in the background; without a daemon, run: imgscore groups. After that, open this page again.`));
  }
  grow(section, groups, (group) => groupCard(group, open));
}

/**
 * @param {Group} group
 * @param {((group: Group) => void) | null} open
 */
function groupCard(group, open) {
  const list = group.images.map((number) => images[number]), rest = list.slice(1).filter((image) => image.place === "inbox");
  const best = group.kind === "copies" ? "" : "best";
  const figure = (/** @type {Image} */ image, /** @type {number} */ at) => make("figure", {}, imageButton(image, list, at ? "" : best),
    make("figcaption", {}, at || !best ? "" : "best · ", [image.width && `${image.width} × ${image.height}`, sizeText(image.bytes)].filter(Boolean).join(", ")));
  const trash = watchOf(list[0]).trash;
  const row = make("div", { class: "row" }, ...list.slice(0, MAX_GROUP).map(figure));
  if (list.length > MAX_GROUP) {
    row.append(make("button", { type: "button", onclick: (/** @type {any} */ event) => event.target.replaceWith(...list.slice(MAX_GROUP).map((image) => figure(image, 1))) },
      `${list.length - MAX_GROUP} more`));
  }
  return make("article", { class: "card group" },
    make("h3", {}, `${groupTitle(group)}: ${printable(list[0].name)}`),
    make("p", { class: "why" }, group.why), row,
    make("div", { class: "acts" },
      open && group.kind !== "copies" ? make("button", { type: "button", class: "open-group", onclick: () => open(group) }, "Side by side") : "",
      make("button", { type: "button", onclick: () => copy(list.slice(1).map((image) => shellWord(pathOf(image))).join(" ")) }, "Copy the paths of the other images"),
      rest.length && trash ? make("button", { type: "button", onclick: () => copy(moveCommand(rest, trash)) }, "Copy the command that moves the other images to trash/") : ""));
}
