// The images, in rows as wide as the window. Only images near the visible part have a tile.

import { isUnsure } from "./data.js";
import { $, $input, make } from "./elements.js";
import { Tile } from "./tiles.js";
import { viewer } from "./viewer.js";

/** @typedef {import("./data.js").Image} Image */
// How far above and below the window tiles exist, in CSS pixels: a scroll of one frame shows no gap.
const MARGIN = 900;
// Milliseconds after a jump until the tiles in the margin are made, too.
const JUMP_PAUSE = 120;
// The largest number of tiles without an image that are kept for other images: a screen of them.
const MAX_SPARE = 200;

/** @typedef {{ at: number, width: number }} Box an image in a row; `at` is its index in the list */
/** @typedef {{ top: number, height: number, first: number, boxes: Box[] }} Row */

export const gallery = {
  /** @type {Image[]} */
  list: [],
  /** @type {Row[]} */
  rows: [],
  at: 0,
  /** @type {Map<number, Tile>} the tile of each index in the list that has one */
  tiles: new Map(),
  /** @type {Tile[]} the tiles that show no image at present */
  spare: [],
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
    // A tile whose image stays keeps its picture, so that the picture is not asked for again.
    for (const [at, tile] of [...this.tiles]) {
      tile.isPlaced = false;
      if (tile.image === this.list[at]) continue;
      this.release(at);
      tile.element.remove();
    }
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
    // In a fast scroll, each frame shows other tiles: draw only those that it shows.
    const start = -$("list").getBoundingClientRect().top;
    const isJump = Math.abs(start - this.top) > innerHeight, margin = isJump ? 0 : MARGIN;
    const top = start - margin, bottom = start + innerHeight + margin;
    this.top = start;
    clearTimeout(this.afterJump);
    if (isJump) this.afterJump = setTimeout(() => this.draw(), JUMP_PAUSE);
    /** @type {Map<number, [Box, number, Row]>} */
    const visible = new Map();
    for (let from = this.rowAt(top); from < this.rows.length && this.rows[from].top <= bottom; from += 1) {
      let left = 0;
      for (const box of this.rows[from].boxes) {
        visible.set(box.at, [box, left, this.rows[from]]);
        left += box.width + 6;
      }
    }
    // The selected tile always exists: a screen reader needs it.
    for (const [at, tile] of [...this.tiles]) {
      if (!visible.has(at) && at !== this.at && !(tile.isPlaced && this.isNear(at, start))) this.release(at);
    }
    for (const [at, shown] of visible) if (!this.tiles.get(at)?.isPlaced) this.add(...shown);
    for (const tile of this.spare) tile.element.remove();
    if (!this.tiles.get(this.at)?.isPlaced) this.addAt(this.at);
    // During a jump, the tiles show only the coarse views: no picture would be there before the next jump.
    if (!isJump) for (const [at, tile] of this.tiles) tile.complete(this.list[at]);
    this.mark();
  },

  /**
   * Whether an image is in the window or in the margin around it.
   * @param {number} at
   * @param {number} start the top of the window
   */
  isNear(at, start) {
    const row = this.rows[this.rowOf(at)];
    return row.top + row.height >= start - MARGIN && row.top <= start + innerHeight + MARGIN;
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
    const tile = this.tiles.get(box.at) || this.spare.pop() || new Tile((at) => { this.go(at); viewer.open(this.list, at); });
    tile.fill(this.list[box.at], box.at, this.list.length, { left, top: row.top, width: box.width, height: row.height });
    this.tiles.set(box.at, tile);
    $("list").append(tile.element); // also if it is there: a screen reader reads in this sequence
  },

  /** Take the tile from an image. @param {number} at */
  release(at) {
    const tile = this.tiles.get(at);
    if (!tile) return;
    tile.empty();
    this.tiles.delete(at);
    if (this.spare.length < MAX_SPARE) this.spare.push(tile);
    else tile.element.remove();
  },

  /** @param {Image} image */
  refresh(image) {
    this.release(this.list.indexOf(image));
    this.draw();
  },

  mark() {
    for (const [at, tile] of this.tiles) {
      tile.element.classList.toggle("selected", at === this.at);
      tile.element.setAttribute("aria-selected", String(at === this.at));
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
    scrollBy(0, (this.tiles.get(this.divider.at)?.element.getBoundingClientRect().top ?? 0) - innerHeight / 2);
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
