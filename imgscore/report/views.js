// The other tabs: suspects, failures, and the quality of the head.

import { images, labelTexts, page, printable, scoreText, watchOf } from "./data.js";
import { $, copyMove, copyPath, head, make } from "./elements.js";
import { label } from "./labels.js";
import { messageOf, post } from "./server.js";
import { imageButton } from "./viewer.js";

// Items added at a time: more than fit on a screen.
const ITEM_BATCH = 40;

/**
 * Add the items of a long list when the user scrolls to them.
 * @template T
 * @param {HTMLElement} section
 * @param {T[]} items
 * @param {(item: T) => HTMLElement} build
 */
export function grow(section, items, build) {
  let done = 0;
  const end = make("div");
  section.append(end);
  const more = () => {
    for (const item of items.slice(done, done + ITEM_BATCH)) end.before(build(item));
    done += ITEM_BATCH;
    if (done >= items.length) watcher.disconnect();
  };
  const watcher = new IntersectionObserver((entries) => { if (entries[0].isIntersecting) more(); }, { rootMargin: "1200px" });
  more();
  watcher.observe(end);
}

export async function showSuspects() {
  const section = $("suspects");
  if (page.review) {
    head(section, "Suspects", "Looking for labels that may be wrong …");
    try {
      const { version } = page, { suspects, unlearned } = await post("suspects", {}, "suspects");
      if (version !== page.version) return showSuspects(); // the images have other numbers now
      Object.assign(page, { suspects, unlearned });
    } catch (error) {
      return head(section, "Suspects", messageOf(error));
    }
  }
  head(section, "Suspects", page.suspects.length
    ? "Labels that your other labels contradict, strongest evidence first. Some of these labels may be mistakes. Beside each image are the most similar images with the opposite label."
    : page.unlearned || "Your other labels contradict no label.");
  return grow(section, page.suspects, suspectCard);
}

/** @param {import("./types").Suspect} suspect */
function suspectCard(suspect) {
  const image = images[suspect.image];
  // An undecided image is contradicted by the labels on the side of its score.
  const isKeep = suspect.label === "undecided" ? suspect.score < 0.5 : suspect.label === "keep";
  const other = isKeep ? "trash" : "keep";
  const near = suspect.neighbours.map((neighbour) => images[neighbour.image]), list = [image, ...near];
  const card = make("article", { class: "card pair" },
    imageButton(image, list, "doubt"),
    make("div", {},
      make("h3", {}, printable(image.name)),
      make("p", { class: "why" }, "labelled ", make("span", { class: `label-${suspect.label}` },
        image.label === suspect.label ? labelTexts(image)[1] : suspect.label),
        `; its score from all other labels is ${scoreText(suspect.score)}. Similar images labelled `,
        make("span", { class: `label-${other}` }, other), ":"),
      make("div", { class: "row" }, ...near.map((neighbour, at) => make("figure", {}, imageButton(neighbour, list),
        make("figcaption", {}, `${Math.round(100 * suspect.neighbours[at].similarity)} % similar`)))),
      make("div", { class: "acts" },
        make("button", { type: "button", onclick: () => copyPath(image) }, "Copy the path"),
        watchOf(image)[other] && make("button", { type: "button", onclick: () => copyMove(image, other) },
          `Copy the command that moves the image to ${other}/`) || "",
        page.review ? make("button", { type: "button", class: other, onclick: () => label(image, other) }, `Label ${other}`) : "")));
  return card;
}

export function showFailures() {
  const section = $("failures");
  head(section, "Failures", page.failures.length ? "Files that could not be read. imgscore tries a file again when the file changes." : "Every file could be read.");
  if (!page.failures.length) return;
  const names = ["File", "Reason", "What to do"];
  section.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Files" }, make("table", {},
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...page.failures.map((failure) => make("tr", {},
      make("td", {}, printable(failure.path)), make("td", {}, printable(failure.reason)), make("td", {}, printable(failure.remedy))))))));
}

export function showLearning() {
  const hasFigures = document.querySelector(".figures > *") !== null;
  $("learned").textContent = !page.learned ? page.unlearned || "Nothing has been measured yet."
    : hasFigures ? page.learned : `${page.learned} To see the figures, reload the page.`;
  $("learned").className = "lead";
}
