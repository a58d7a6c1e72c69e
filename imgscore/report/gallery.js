// The images, in rows as wide as the window. Only tiles near the visible part exist.

import { blurOf, isUnsure, printable } from "./data.js";
import { $, $input, make, mark, scoreChip, spokenName } from "./elements.js";
import { showThumbnail } from "./thumbnails.js";
import { viewer } from "./viewer.js";

/** @typedef {import("./data.js").Image} Image */
// How far above and below the window tiles exist, in CSS pixels: a scroll of one frame shows no gap.
const MARGIN = 900;
// Milliseconds after a jump until the tiles in the margin are made, too.
const JUMP_PAUSE = 120;

/** @typedef {{ at: number, width: number }} Box an image in a row; `at` is its index in the list */
/** @typedef {{ top: number, height: number, first: number, boxes: Box[] }} Row */

export const gallery = {
  /** @type {Image[]} */
  list: [],
  /** @type {Row[]} */
  rows: [],
  at: 0,
  /** @type {Map<number, HTMLElement>} */
  tiles: new Map(),
  /** @type {{ top: number, at: number } | null} */
  divider: null,
  isByScore: false,
  top: 0,
  width: -1,
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  afterJump: undefined,

  /**
   * @param {Image[]} list
   * @param {boolean} isByScore whether to draw the divider between keep and trash
   */
  show(list, isByScore) {
    const selected = this.list[this.at];
    this.list = list;
    this.isByScore = isByScore;
    this.at = Math.max(0, list.indexOf(selected));
    this.layOut();
  },

  // The gallery has another size, or is visible again: rows that still fit stay, and so do their tiles.
  resize() {
    if ($("list").clientWidth === this.width) this.draw();
    else this.layOut();
  },

  layOut() {
    const width = $("list").clientWidth, tall = Number($input("size").value), gap = 6;
    this.width = width;
    const divider = this.isByScore ? this.dividerAt() : -1;
    this.rows = [];
    /** @type {Box[]} */
    let row = [];
    let ratios = 0, top = 0;
    /** @param {number} height */
    const close = (height) => {
      this.rows.push({ top, height, first: row[0].at, boxes: row });
      for (const box of row) box.width *= height;
      top += height + gap;
      row = [];
      ratios = 0;
    };
    this.divider = null;
    this.list.forEach((image, at) => {
      if (at === divider) {
        if (row.length) close(Math.min(tall, (width - gap * (row.length - 1)) / ratios));
        this.divider = { top: top + 8, at };
        top += 56;
      }
      const shape = image.width && image.height ? image.width / image.height : 1;
      const ratio = Math.min(2.6, Math.max(0.55, shape));
      row.push({ at, width: ratio });
      ratios += ratio;
      const height = (width - gap * (row.length - 1)) / ratios;
      if (height <= tall) close(height);
    });
    if (row.length) close(Math.min(tall, (width - gap * (row.length - 1)) / ratios));
    $("list").style.height = `${top}px`;
    $("list").hidden = !this.list.length;
    $("nothing").hidden = Boolean(this.list.length);
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.drawDivider();
    this.draw();
  },

  // The first image on the other side of 0.5, in a list that is sorted by score.
  dividerAt() {
    const isFirstKeep = (this.list[0]?.score ?? -1) >= 0.5;
    return this.list.findIndex((image) => image.score !== null && image.score >= 0.5 !== isFirstKeep);
  },

  drawDivider() {
    document.querySelector("#gallery .divider")?.remove();
    $("undecided").hidden = !this.divider;
    if (!this.divider) return;
    const keeps = this.list.filter((image) => image.score !== null && image.score >= 0.5).length;
    const unsure = this.list.filter(isUnsure).length;
    const line = make("div", { class: "divider" }, make("span", {},
      `images that you will more likely keep: ${keeps.toLocaleString("en")} · `,
      make("strong", {}, `undecided images: ${unsure.toLocaleString("en")}`), " (score within ± of 0.5)"));
    line.style.top = `${this.divider.top}px`;
    $("gallery").append(line);
  },

  /** @param {number} at */
  rowOf(at) {
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].first <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  },

  /** The first row that ends below a height. @param {number} top */
  rowAt(top) {
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].top + this.rows[middle].height >= top) high = middle;
      else low = middle + 1;
    }
    return low;
  },

  draw() {
    if ($("order").hidden || !this.rows.length) return;
    // In a fast scroll, each frame shows other tiles: make only those that it shows.
    const start = -$("list").getBoundingClientRect().top;
    const isJump = Math.abs(start - this.top) > innerHeight, margin = isJump ? 0 : MARGIN;
    const top = start - margin, bottom = start + innerHeight + margin;
    this.top = start;
    clearTimeout(this.afterJump);
    if (isJump) this.afterJump = setTimeout(() => this.draw(), JUMP_PAUSE);
    const visible = new Set();
    for (let from = this.rowAt(top); from < this.rows.length && this.rows[from].top <= bottom; from += 1) {
      let left = 0;
      for (const box of this.rows[from].boxes) {
        visible.add(box.at);
        if (!this.tiles.has(box.at)) this.add(box, left, this.rows[from]);
        left += box.width + 6;
      }
    }
    // The selected tile always exists: a screen reader needs it.
    if (this.list.length) visible.add(this.at);
    for (const [at, tile] of this.tiles) {
      if (!visible.has(at)) {
        tile.remove();
        this.tiles.delete(at);
      }
    }
    if (!this.tiles.has(this.at)) this.addAt(this.at);
    this.mark();
  },

  /** @param {number} at */
  addAt(at) {
    const row = this.rows[this.rowOf(at)];
    let left = 0;
    for (const box of row.boxes) {
      if (box.at === at) this.add(box, left, row);
      left += box.width + 6;
    }
  },

  /**
   * @param {Box} box
   * @param {number} left
   * @param {Row} row
   */
  add(box, left, row) {
    const image = this.list[box.at];
    const tile = make("div", {
      id: `tile-${box.at}`, role: "option", class: `tile ${image.label || ""}`, "aria-label": spokenName(image),
      "aria-selected": "false", "aria-setsize": this.list.length, "aria-posinset": box.at + 1,
    });
    const blur = blurOf(image), isSmall = image.width > 0 && image.width < box.width && image.height < row.height;
    if (blur) tile.style.backgroundImage = blur;
    if (isSmall) tile.classList.add("small");
    const picture = make("img", { alt: "", decoding: "async" });
    picture.addEventListener("load", () => { tile.style.backgroundImage = ""; });
    picture.addEventListener("error", () => { picture.remove(); tile.style.backgroundImage = ""; tile.classList.add("no-thumbnail"); });
    showThumbnail(picture, image);
    tile.append(picture, make("span", { class: "name", dir: "auto" }, printable(image.name)), scoreChip(image));
    if (image.label) tile.append(mark(image));
    Object.assign(tile.style, {
      left: `${left}px`, top: `${row.top}px`, width: `${box.width}px`, height: `${row.height}px`,
    });
    tile.addEventListener("click", () => { this.go(box.at); viewer.open(this.list, box.at); });
    this.tiles.set(box.at, tile);
    $("list").append(tile);
  },

  /** @param {Image} image */
  refresh(image) {
    const at = this.list.indexOf(image);
    this.tiles.get(at)?.remove();
    this.tiles.delete(at);
    this.draw();
  },

  mark() {
    for (const [at, tile] of this.tiles) {
      tile.classList.toggle("selected", at === this.at);
      tile.setAttribute("aria-selected", String(at === this.at));
    }
    if (this.list.length) $("list").setAttribute("aria-activedescendant", `tile-${this.at}`);
    else $("list").removeAttribute("aria-activedescendant");
  },

  /** @param {number} at */
  go(at) {
    if (!this.list.length) return;
    this.at = Math.min(this.list.length - 1, Math.max(0, at));
    const row = this.rows[this.rowOf(this.at)];
    const start = $("list").getBoundingClientRect().top + scrollY + row.top;
    const head = document.querySelector(".top")?.getBoundingClientRect();
    const cover = Math.max(0, head?.bottom ?? 0) + 12;
    if (start < scrollY + cover) scrollTo(0, start - cover);
    const bottom = innerHeight - $("strip").offsetHeight - 12;
    if (start >= scrollY + cover && start + row.height > scrollY + bottom) scrollTo(0, start + row.height - bottom);
    this.draw();
  },

  /**
   * Go up or down by rows, to the image nearest to the middle of the selected one.
   * @param {number} rows
   */
  step(rows) {
    const from = this.rowOf(this.at);
    const to = Math.min(this.rows.length - 1, Math.max(0, from + rows));
    /**
     * @param {Row} row
     * @param {number} at
     */
    const middle = (row, at) => {
      let left = 0;
      for (const box of row.boxes) {
        if (box.at === at) return left + box.width / 2;
        left += box.width + 6;
      }
      return 0;
    };
    const start = middle(this.rows[from], this.at);
    const distance = (/** @type {Box} */ box) => Math.abs(middle(this.rows[to], box.at) - start);
    const [nearest] = [...this.rows[to].boxes].sort((a, b) => distance(a) - distance(b));
    this.go(nearest.at);
  },

  jumpToUndecided() {
    if (!this.divider) return;
    this.go(this.divider.at);
    scrollBy(0, (this.tiles.get(this.divider.at)?.getBoundingClientRect().top ?? 0) - innerHeight / 2);
    this.draw();
  },

  /** @param {KeyboardEvent} event */
  key(event) {
    const rows = Math.max(1, Math.floor((innerHeight - 160) / (Number($input("size").value) + 6)));
    /** @type {Record<string, () => void>} */
    const moves = {
      ArrowRight: () => this.go(this.at + 1), ArrowLeft: () => this.go(this.at - 1),
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1),
      PageDown: () => this.step(rows), PageUp: () => this.step(-rows),
      Home: () => this.go(0), End: () => this.go(this.list.length - 1),
      Enter: () => viewer.open(this.list, this.at), " ": () => viewer.open(this.list, this.at),
      b: () => this.jumpToUndecided(),
      "+": () => resize(20), "=": () => resize(20), "-": () => resize(-20),
    };
    if (!moves[event.key] || !this.list.length) return false;
    moves[event.key]();
    return true;
  },
};

/** @param {number} by */
function resize(by) {
  $input("size").value = String(Number($input("size").value) + by);
  gallery.layOut();
  gallery.go(gallery.at);
}
