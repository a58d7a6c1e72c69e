// How many labels there are, what more of them would bring, and what the last ones changed. Used in a review only.

import { images, page } from "./data.js";

// From these numbers of labels on, the order is useful, and good: see the README.
const USEFUL = 30, GOOD = 300;
// The smallest number of labels of each side, and of comparisons, for a head: see heads/base.py.
const MIN_SIDE = 2, MIN_COMPARISONS = 10;

let now = 0;

/** Count a label that was given (1) or taken back (-1). @param {number} step */
export function countLabel(step) {
  now = Math.max(0, now + step);
  page.labels = Math.max(0, page.labels + step);
  showProgress();
}

/** @param {number} share */
const percent = (share) => `${Math.round(100 * share)} %`;

/** What is missing for the first order. The labels have changed since the page was made. */
function firstOrderText() {
  const missing = ["keep", "trash"].flatMap((side) => {
    const have = images.filter((image) => image.label === side).length;
    return have < MIN_SIDE ? [`${MIN_SIDE - have} ${side}`] : [];
  });
  if (!page.unlearned || !missing.length || page.answers >= MIN_COMPARISONS) return "enough for the first order";
  return `for the first order, label ${missing.join(" and ")}`;
}

function goalText() {
  const { labels } = page;
  if (!page.head) return firstOrderText();
  if (labels < USEFUL) return `${USEFUL - labels} more make the order useful`;
  if (page.doubled === null) {
    return labels < GOOD ? `${GOOD - labels} more make it good; those in the tab Next help most` : "";
  }
  return `twice as many would put about ${percent(page.doubled)} of the pairs in the right order`;
}

/** Show the number of labels, and the goal. */
export function showProgress() {
  const counts = `${page.labels.toLocaleString("en")} ${page.labels === 1 ? "label" : "labels"}${now ? `, ${now} of them now` : ""}`;
  for (const place of document.querySelectorAll(".progress")) {
    place.textContent = [counts, goalText()].filter(Boolean).join(" · ");
  }
}

/** The scores of the images that are shown. */
export const scoresNow = () => new Map(images.map((image) => [image.sha256, image.score]));

/**
 * A sentence about the new order: its measured quality, and how many scores crossed 0.5.
 * @param {ReturnType<typeof scoresNow>} before the scores of the order before
 * @param {string | undefined} headBefore the head of the order before
 */
export function changeText(before, headBefore) {
  const { head } = page;
  if (!head) return "There is no head yet.";
  if (head.version === headBefore) return `This is the order of head ${head.version}.`;
  const parts = [`Head ${head.version}`];
  if (head.comparison) {
    const { measure, previous_auc: old, auc } = head.comparison;
    parts.push(`${measure} ${old.toFixed(2)} → ${auc.toFixed(2)}`);
  }
  let up = 0, down = 0;
  for (const image of images) {
    const score = before.get(image.sha256) ?? null;
    if (image.place !== "inbox" || score === null || image.score === null) continue;
    if (score < 0.5 && image.score >= 0.5) up += 1;
    if (score >= 0.5 && image.score < 0.5) down += 1;
  }
  if (headBefore) parts.push(`scores that rose above 0.5: ${up.toLocaleString("en")}, fell below: ${down.toLocaleString("en")}`);
  return `This is the order of ${parts.join(" · ")}.`.replace("of Head", "of head");
}
