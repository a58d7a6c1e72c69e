// The tab Compare: two or four images side by side, and one key for each answer. Used in a review only.

import { images, originalOf, page, printable } from "./data.js";
import { $, $button, announce, make } from "./elements.js";
import { messageOf, post } from "./server.js";
import { forgetThumbnail, showThumbnail } from "./thumbnails.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {number | "same" | "skip"} Choice the number of the best image, or another answer */
/** @typedef {{ first: string, second: string, answer: string }} Answer about a pair of sha256 */

// Fetch more pairs when fewer than this number wait: the choice of pairs can take some seconds.
const MIN_QUEUE = 8;

// How many waiting pairs have their images loaded in advance.
const PRELOADED = 3;

export const compare = {
  /** @type {Proposal[]} */
  queue: [],
  /** @type {Proposal | null} */
  current: null,
  /** @type {{ proposal: Proposal, numbers: Promise<number[]> }[]} for undo; numbers in the log */
  answered: [],
  /** @type {Set<Proposal>} proposals whose answer is not stored yet */
  unsent: new Set(),
  /** @type {Promise<import("./types").Proposals> | null} */
  fetching: null,
  problem: "",
  size: 2,

  // Show the tab. After a new order, the images have other numbers.
  begin() {
    const isNew = !this.queue.length && !this.answered.length && !this.current;
    const bySha256 = new Map(isNew ? [] : images.map((image) => [image.sha256, image]));
    const renewed = (/** @type {Proposal} */ proposal) => {
      const now = proposal.images.map((image) => bySha256.get(image.sha256)).filter((image) => image !== undefined);
      const isComplete = now.length === proposal.images.length;
      if (isComplete) proposal.images = now;
      return isComplete;
    };
    this.queue = this.queue.filter(renewed);
    this.answered = this.answered.filter(({ proposal }) => renewed(proposal));
    if (this.current && !renewed(this.current)) this.current = null;
    this.problem = "";
    this.draw();
    this.fill();
    $("choices").focus({ preventScroll: true }); // not a button: the space bar skips
  },

  /**
   * Fetch pairs if few wait, and show the first one if none is shown.
   * @returns {Promise<void>}
   */
  async fill() {
    if (!this.current && this.queue.length) this.next();
    if (this.fetching || this.queue.length >= MIN_QUEUE || this.problem) return;
    const size = this.size;
    const known = [this.current, ...this.queue, ...this.unsent].filter((proposal) => proposal !== null);
    const exclude = known.flatMap((proposal) => pairsOf(proposal.images)).map((pair) => pair.map((image) => image.sha256));
    this.fetching = post("pairs", { size, exclude }, "pairs");
    try {
      const { numbers, why, error } = await this.fetching;
      if (size === this.size) {
        this.queue.push(...numbers.map((list, at) => new Proposal(list.map((number) => images[number]), why[at])));
        if (!numbers.length) this.problem = error || "There is nothing left to compare.";
      }
    } catch (error) {
      this.problem = `Could not choose images: ${messageOf(error)}`;
    }
    this.fetching = null;
    if (size !== this.size) await this.fill();
    else if (!this.current) this.next();
    else this.preload();
  },

  next() {
    this.current = this.queue.shift() || null;
    this.draw();
  },

  preload() {
    for (const proposal of this.queue.slice(0, PRELOADED)) proposal.load();
  },

  draw() {
    const { current } = this;
    const choices = $("choices");
    choices.dataset.size = String(current ? current.images.length : this.size);
    if (current) {
      choices.replaceChildren(...current.images.map((image, at) => this.choice(current, image, at)));
    } else {
      choices.replaceChildren(make("p", { class: "empty" }, this.problem || "Choosing images …"));
    }
    $("why").textContent = current?.why || "";
    for (const id of ["same", "skip-pair"]) $button(id).disabled = !current;
    this.count();
    this.preload();
  },

  // Show the number of answers. This changes no button that the user may be about to press.
  count() {
    $button("undo-answer").disabled = !this.answered.length;
    $("hint-choice").textContent = (this.current?.images.length || this.size) === 2 ? "← →" : "1 … 4";
    $("four").setAttribute("aria-pressed", String(this.size === 4));
    $("answers").setAttribute("aria-busy", String(this.unsent.size > 0));
    $("answers").textContent = `${page.answers.toLocaleString("en")} ${page.answers === 1 ? "answer" : "answers"}`;
  },

  /**
   * @param {Proposal} proposal
   * @param {Image} image
   * @param {number} at
   */
  choice(proposal, image, at) {
    const key = proposal.images.length === 2 ? ["←", "→"][at] : String(at + 1);
    return make("button", {
      type: "button", class: "choice", "aria-label": `Image ${at + 1} is better: ${printable(image.name)}`,
      // The second click of a double click would answer for the next images.
      onclick: (/** @type {MouseEvent} */ event) => { if (event.detail < 2) this.answer(at, event.detail > 0); },
    }, proposal.load()[at], make("kbd", {}, key));
  },

  /**
   * Record an answer, and show the next images at once.
   * @param {Choice} value
   */
  answer(value, byPointer = true) {
    const proposal = this.current;
    if (!proposal) return;
    const answers = answersOf(proposal.images, value);
    const numbers = this.send(proposal, answers);
    this.answered.push({ proposal, numbers });
    if (value !== "skip") page.answers += answers.length;
    this.next();
    this.fill();
    if (byPointer) $("choices").focus({ preventScroll: true });
    else $("choices").querySelectorAll("button")[Number(value)]?.focus();
  },

  /**
   * @param {Proposal} proposal
   * @param {Answer[]} answers
   */
  async send(proposal, answers) {
    this.unsent.add(proposal);
    try {
      const { numbers, count } = await post("compare", { answers });
      if (this.unsent.size === 1) page.answers = count; // later answers are already counted
      return numbers;
    } catch (error) {
      this.answered = this.answered.filter((entry) => entry.proposal !== proposal);
      this.queue.unshift(proposal);
      page.answers -= answers.filter(({ answer }) => answer !== "skip").length;
      announce(`Could not record the answer: ${messageOf(error)}. Is the review still running?`);
      return [];
    } finally {
      this.unsent.delete(proposal);
      this.count();
    }
  },

  // Undo the last answer of this review, and show its images again.
  async undo() {
    const last = this.answered.pop();
    if (!last) return announce("There is nothing to undo.");
    const { proposal } = last;
    if (this.current) this.queue.unshift(this.current);
    this.current = proposal;
    this.draw();
    try {
      const numbers = await last.numbers;
      if (numbers.length) page.answers = (await post("withdraw", { numbers })).count;
      announce("Undone: you can answer again.");
    } catch (error) {
      announce(`Could not undo: ${messageOf(error)}`);
    }
    this.count();
    return null;
  },

  // Switch between two and four images.
  resize() {
    this.size = this.size === 2 ? 4 : 2;
    this.queue = [];
    this.current = null;
    this.problem = "";
    this.draw();
    this.fill();
  },

  /** @param {KeyboardEvent} event */
  key(event) {
    const count = this.current?.images.length;
    /** @type {Record<string, () => unknown>} */
    const actions = {
      s: () => this.answer("same"), " ": () => this.answer("skip"), u: () => this.undo(), f: () => this.resize(),
    };
    if (count === 2) {
      const [first, second] = $("choices").querySelectorAll("button"); // a narrow window shows them one above the other
      const arrows = first.offsetTop === second.offsetTop ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
      for (const names of [["ArrowLeft", "ArrowRight"], arrows]) names.forEach((name, at) => { actions[name] = () => this.answer(at); });
    }
    const at = Number(event.key) - 1;
    if (count && at >= 0 && at < count) actions[event.key] = () => this.answer(at);
    if (!actions[event.key]) return false;
    if (!event.repeat) actions[event.key]();
    return true;
  },

  listen() {
    $("same").onclick = () => this.answer("same");
    $("skip-pair").onclick = () => this.answer("skip");
    $("undo-answer").onclick = () => this.undo();
    $("four").onclick = () => this.resize();
  },
};

// Images to compare. Their elements are made once, so that images that were loaded in advance are
// shown without a delay.
class Proposal {
  /**
   * @param {Image[]} list
   * @param {string} why
   */
  constructor(list, why) {
    this.images = list;
    this.why = why;
    /** @type {HTMLElement[] | null} */
    this.elements = null;
  }

  // Begin to load the images, and return one element for each of them.
  load() {
    this.elements ??= this.images.map((image) => {
      const thumbnail = make("img", { alt: "", draggable: "false" });
      const original = make("img", { alt: "", draggable: "false" });
      for (const picture of image.width ? [thumbnail, original] : []) { // never larger than its pixels
        Object.assign(picture.style, { maxWidth: `${image.width}px`, maxHeight: `${image.height}px` });
      }
      original.addEventListener("load", () => { forgetThumbnail(thumbnail); thumbnail.replaceWith(original); });
      thumbnail.addEventListener("error", () => thumbnail.classList.add("missing"));
      showThumbnail(thumbnail, image);
      original.src = originalOf(image);
      return make("span", { class: "frame" }, thumbnail);
    });
    return this.elements;
  }
}

/**
 * All pairs of a list of images.
 * @param {Image[]} list
 */
const pairsOf = (list) => list.flatMap((first, at) => list.slice(at + 1).map((second) => [first, second]));

/**
 * The answers about pairs that follow from one choice.
 * @param {Image[]} list
 * @param {Choice} value
 * @returns {Answer[]}
 */
function answersOf(list, value) {
  const say = (/** @type {Image} */ first, /** @type {Image} */ second, /** @type {string} */ answer) => ({ first: first.sha256, second: second.sha256, answer });
  if (value === "skip") return [...Array(list.length / 2).keys()].map((at) => say(list[2 * at], list[2 * at + 1], "skip"));
  if (list.length === 2) return [say(list[0], list[1], value === "same" ? "same" : ["first", "second"][value])];
  const [best, ...others] = value === "same" ? list : [list[value], ...list.filter((_, at) => at !== value)];
  return others.map((other) => say(best, other, value === "same" ? "same" : "first"));
}
