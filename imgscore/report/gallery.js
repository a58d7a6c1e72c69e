// The images, in rows as wide as the window. Only images near the visible part have a tile.

import { isUnsure } from "./data.js";
import { $, $input, make } from "./elements.js";
import { Rows } from "./rows.js";
import { Tile } from "./tiles.js";
import { viewer } from "./viewer.js";

/** @typedef {import("./data.js").Image} Image */
// How far above and below the window tiles exist, in CSS pixels: a scroll of one frame shows no gap.
const MARGIN = 900;
// The smallest scroll of a frame that is a jump, as a part of the window: a tile is in the window for at
// most four frames then, which is less than the time until its picture is loaded.
const JUMP = 0.25;
// Milliseconds after a step to another image in which only a scroll of more than a window is a jump: a held
// key steps from row to row, and the pictures must be there. The first step is never a jump.
const STEP = 200;
// Milliseconds after a jump until the tiles in the margin are made, too.
const JUMP_PAUSE = 120;
// Milliseconds after a scroll until the tiles are in the sequence of the images. Only a screen reader
// needs it, and to move a tile that is used again costs as much as to make it.
const REST = 200;
// The largest number of tiles that get their picture at a time after a jump, and the milliseconds until the next
// ones: those of a whole window and its margin would take 60 ms, and the user may scroll on.
const TILE_BATCH = 12, TILE_PAUSE = 20;
// The largest number of tiles without an image that are kept for other images: a screen of them.
const MAX_SPARE = 200;


export const gallery = {
  /** @type {Image[]} */
  list: [],
  rows: new Rows([], 0, 0, -1),
  at: 0,
  /** @type {Map<number, Tile>} the tile of each index in the list that has one */
  tiles: new Map(),
  /** @type {Tile[]} the tiles that show no image at present */
  spare: [],
  /** @type {HTMLElement | undefined} the element that is marked as selected */
  marked: undefined,
  /** the index of the first image below the divider; -1: there is no divider */
  divider: -1,
  isByScore: false,
  top: 0,
  /** when the user stepped to another image, in milliseconds since the page was opened */
  stepped: -STEP,
  width: -1,
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  afterJump: undefined,
  /** @type {ReturnType<typeof setTimeout> | undefined} completes more tiles */
  afterPart: undefined,
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  atRest: undefined,
  /** the top of the window when the tiles were put into sequence */
  restTop: 0,

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
    this.width = $("list").clientWidth;
    this.divider = this.isByScore ? this.dividerAt() : -1;
    this.rows = new Rows(this.list, this.width, Number($input("size").value), this.divider);
    $("list").style.height = `${this.rows.height}px`;
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
    $("undecided").hidden = this.divider < 0;
    if (this.divider < 0) return;
    const keeps = this.list.filter((image) => image.score !== null && image.score >= 0.5).length;
    const unsure = this.list.filter(isUnsure).length;
    const line = make("div", { class: "divider" }, make("span", {},
      `images that you will more likely keep: ${keeps.toLocaleString("en")} · `,
      make("strong", {}, `undecided images: ${unsure.toLocaleString("en")}`), " (score within ± of 0.5)"));
    line.style.top = `${this.rows.dividerTop}px`;
    $("gallery").append(line);
  },

  /**
   * Show the tiles of the window.
   * @param {number} part the largest number of tiles that get their picture now
   * @param {number} [jump] the smallest scroll that is a jump, as a part of the window
   */
  draw(part = Infinity, jump) {
    if ($("order").hidden || !this.rows.count) return;
    // In a fast scroll, each frame shows other tiles: draw only those that it shows.
    const start = -$("list").getBoundingClientRect().top;
    const far = jump ?? (performance.now() - this.stepped < STEP ? 1 : JUMP);
    const isJump = Math.abs(start - this.top) > far * innerHeight, margin = isJump ? 0 : MARGIN;
    const top = start - margin, bottom = start + innerHeight + margin;
    this.top = start;
    clearTimeout(this.afterJump);
    clearTimeout(this.afterPart);
    clearTimeout(this.atRest);
    this.atRest = setTimeout(() => this.putInSequence(), REST);
    if (isJump) this.afterJump = setTimeout(() => this.draw(TILE_BATCH), JUMP_PAUSE);
    const { rows } = this, from = rows.below(top), first = rows.firsts[from] ?? this.list.length;
    let to = from;
    while (to < rows.count && rows.tops[to] <= bottom) to += 1;
    const end = Math.max(first, rows.firsts[to]);
    // The selected tile always exists: a screen reader needs it.
    for (const [at, tile] of [...this.tiles]) {
      if ((at < first || at >= end) && at !== this.at && !(tile.isPlaced && this.isNear(at, start))) this.release(at);
    }
    for (let at = first; at < end; at += 1) if (!this.tiles.get(at)?.isPlaced) this.add(at);
    for (const tile of this.spare) tile.element.remove();
    if (!this.tiles.get(this.at)?.isPlaced) this.add(this.at);
    // During a jump, the tiles show only the coarse views: no picture would be there before the next jump.
    if (!isJump) this.complete(part);
    this.mark();
  },

  scrolled() {
    this.draw(TILE_BATCH);
  },

  /**
   * Complete the tiles: first those near the middle of the window, and the others a little later.
   * @param {number} part the largest number of tiles at a time
   */
  complete(part) {
    const open = [...this.tiles].filter(([, tile]) => !tile.isWhole);
    if (open.length > part) {
      const middle = this.top + innerHeight / 2, farOf = (/** @type {number} */ at) => Math.abs(this.rows.place(at).top - middle);
      open.sort(([a], [b]) => farOf(a) - farOf(b));
      this.afterPart = setTimeout(() => this.complete(part), TILE_PAUSE);
    }
    for (const [at, tile] of open.slice(0, part)) tile.complete(this.list[at]);
  },

  // Move few tiles: those that were used again are at the end to which the user has scrolled.
  putInSequence() {
    const list = $("list"), elements = [...this.tiles].sort(([a], [b]) => a - b).map(([, tile]) => tile.element);
    const isDown = this.top >= this.restTop;
    this.restTop = this.top;
    if (isDown) elements.reverse();
    /** @type {Node | null} */
    let last = null;
    for (const element of elements) {
      if (isDown && element.nextSibling !== last) list.insertBefore(element, last);
      /** @type {Node | null} */
      const next = isDown ? element : last ? last.nextSibling : list.firstChild;
      if (!isDown && next !== element) list.insertBefore(element, next);
      last = element;
    }
  },

  /**
   * Whether an image is in the window or in the margin around it.
   * @param {number} at
   * @param {number} start the top of the window
   */
  isNear(at, start) {
    const { top, height } = this.rows.place(at);
    return top + height >= start - MARGIN && top <= start + innerHeight + MARGIN;
  },

  /** @param {number} at */
  add(at) {
    const tile = this.tiles.get(at) || this.spare.pop() || new Tile((index) => { this.go(index); viewer.open(this.list, index); });
    tile.fill(this.list[at], at, this.list.length, this.rows.place(at));
    this.tiles.set(at, tile);
    if (!tile.element.isConnected) $("list").append(tile.element);
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
    const element = this.tiles.get(this.at)?.element;
    if (this.marked !== element) {
      this.marked?.classList.remove("selected");
      this.marked?.setAttribute("aria-selected", "false");
      this.marked = element;
    }
    element?.classList.add("selected");
    element?.setAttribute("aria-selected", "true");
    if (this.list.length) $("list").setAttribute("aria-activedescendant", `tile-${this.at}`);
    else $("list").removeAttribute("aria-activedescendant");
  },

  /** @param {number} at */
  go(at) {
    if (!this.list.length) return;
    this.at = Math.min(this.list.length - 1, Math.max(0, at));
    const isFirst = performance.now() - this.stepped >= STEP;
    this.stepped = performance.now();
    const row = this.rows.place(this.at);
    const start = $("list").getBoundingClientRect().top + scrollY + row.top;
    const head = document.querySelector(".top")?.getBoundingClientRect();
    const cover = Math.max(0, head?.bottom ?? 0) + 12;
    if (start < scrollY + cover) scrollTo(0, start - cover);
    const bottom = innerHeight - $("strip").offsetHeight - 12;
    if (start >= scrollY + cover && start + row.height > scrollY + bottom) scrollTo(0, start + row.height - bottom);
    this.draw(Infinity, isFirst ? Infinity : 1);
  },

  /**
   * Go up or down by rows, to the image nearest to the middle of the selected one.
   * @param {number} rows
   */
  step(rows) {
    this.go(this.rows.beside(this.at, rows));
  },

  jumpToUndecided() {
    if (this.divider < 0) return;
    this.go(this.divider);
    scrollBy(0, (this.tiles.get(this.divider)?.element.getBoundingClientRect().top ?? 0) - innerHeight / 2);
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
