// New orders: the server answers when there is one, or after a while. Used in a review only.

import { page, readImages } from "./data.js";
import { $, announce } from "./elements.js";
import { forgetUndo } from "./labels.js";
import { changeText, scoresNow, showProgress } from "./progress.js";
import { messageOf, post } from "./server.js";
import { forgetFinished } from "./thumbnails.js";

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", () => resolve(null), { once: true }));
}

/** Offer each new order, until the page is closed. */
export async function awaitOrders() {
  for (let known = page.version; ;) {
    await visible();
    try {
      const response = await fetch(`order/${encodeURIComponent(known)}`);
      if (!response.ok) throw new Error(String(response.status));
      const { version } = await response.json();
      if (version !== known) offer(version);
      known = version;
    } catch {
      await pause(5);
    }
  }
}

/**
 * The strip at the bottom always has its place: nothing moves when the offer appears.
 * @param {string} version
 */
function offer(version) {
  const [head] = version.split("-");
  const isNew = version !== page.version;
  $("renew").hidden = !isNew;
  $("offer").textContent = !isNew ? "" : head !== page.version.split("-")[0]
    ? `There is a new order, from head ${head}.` : "Images were added or removed.";
}

/**
 * Load the present order.
 * @param {() => void} fill shows the images of `page`
 */
export async function renew(fill) {
  announce("Loading the new order …");
  try {
    const scores = scoresNow(), head = page.head?.version;
    Object.assign(page, await post("renew", { groups: page.groups !== null }));
    readImages();
    document.querySelector(".figures")?.replaceChildren(); // those of the last order
    forgetFinished();
    forgetUndo();
    offer(page.version);
    fill();
    showProgress();
    const text = changeText(scores, head);
    announce(text);
    $("offer").textContent = text; // it stays until the next offer
  } catch (error) {
    announce(`Could not load the new order: ${messageOf(error)}`);
  }
}
