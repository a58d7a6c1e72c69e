// Thumbnails. In a review, some of them are made while the page is open: those on the screen first.

import { thumbnailOf } from "./data.js";
import { post } from "./server.js";

/** @typedef {import("./data.js").Image} Image */

// Milliseconds from a new tile to the request for its thumbnail: a scroll makes many tiles.
const ASK_PAUSE = 80;
// Milliseconds between two requests for finished thumbnails: each answer contains several.
const FINISHED_PAUSE = 200;
// Milliseconds until the next try after an error.
const ERROR_PAUSE = 3000;
// The largest number of images in a request: more than fit on a screen.
const MAX_ASKED = 300;

/** @type {Set<string>} the sha256 of the images whose thumbnails are finished since the page was made */
let finished = new Set();
/** @type {Map<HTMLImageElement, Image>} the elements that wait for a thumbnail */
const waiting = new Map();
let asked = "", isAsking = false, isFollowing = false, seen = 0;

/** Forget which thumbnails are finished: the data of the page is new. */
export function forgetFinished() {
  finished = new Set();
  asked = "";
}

/** @param {Image} image */
const isUnmade = (image) => image.isUnmade && !finished.has(image.sha256);

/**
 * Show the thumbnail of an image, as soon as there is one.
 * @param {HTMLImageElement} picture
 * @param {Image} image
 */
export function showThumbnail(picture, image) {
  if (isUnmade(image)) {
    picture.removeAttribute("src");
    waiting.set(picture, image);
    ask();
    follow();
  } else {
    waiting.delete(picture);
    picture.src = thumbnailOf(image);
  }
}

/** Wait for no thumbnail: the element shows another picture now. @param {HTMLImageElement} picture */
export const forgetThumbnail = (picture) => waiting.delete(picture);

/** @param {number} ms */
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Request the thumbnails on the screen, and then those beside it.
async function ask() {
  if (isAsking) return;
  isAsking = true;
  await rest(ASK_PAUSE);
  isAsking = false;
  /** @type {string[]} */
  const now = [];
  /** @type {string[]} */
  const later = [];
  for (const [picture, image] of waiting) {
    const [box] = picture.getClientRects();
    if (box) (box.bottom > 0 && box.top < innerHeight ? now : later).push(image.sha256);
    else if (!picture.isConnected && picture.closest(".tile")) waiting.delete(picture); // scrolled away
  }
  const sha256 = [...new Set([...now, ...later])].slice(0, MAX_ASKED), text = sha256.join();
  if (text === asked || !text) return;
  asked = text;
  await post("thumbnails", { sha256 }, "thumbnails").catch(() => { asked = ""; });
}

// Show thumbnails as they are finished, until no element waits for one.
async function follow() {
  if (isFollowing) return;
  isFollowing = true;
  while (waiting.size) {
    try {
      const response = await fetch(`finished/${seen}`);
      if (!response.ok) throw new Error(String(response.status));
      takeFinished(await response.json());
      await rest(FINISHED_PAUSE);
    } catch {
      await rest(ERROR_PAUSE);
    }
    ask(); // the user may have scrolled or changed the tab
  }
  isFollowing = false;
}

/** @param {import("./types").FinishedThumbnails} finished */
function takeFinished({ at, made, failed }) {
  seen = at;
  for (const sha256 of [...made, ...failed]) finished.add(sha256);
  const isFailed = new Set(failed);
  for (const [picture, image] of waiting) {
    if (isUnmade(image)) continue;
    waiting.delete(picture);
    if (isFailed.has(image.sha256)) picture.dispatchEvent(new Event("error"));
    else picture.src = thumbnailOf(image);
  }
}
