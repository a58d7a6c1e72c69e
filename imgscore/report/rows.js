// The rows of the gallery: the place of each image, in lists of numbers. Changes no element.

/** @typedef {import("./data.js").Image} Image */

// The space between two images and between two rows, and that of the divider, in CSS pixels.
const GAP = 6, DIVIDER_OFFSET = 8, DIVIDER_SPACE = 56;
// The narrowest and the widest shape of a tile, as width / height.
const MIN_RATIO = 0.55, MAX_RATIO = 2.6;

/** The places of a list of images. An image is given by its index in the list. */
export class Rows {
  /**
   * @param {Image[]} list
   * @param {number} width the width of the gallery in CSS pixels
   * @param {number} tall the largest height of a row
   * @param {number} divider the index of the image above which the divider is; -1: no divider
   */
  constructor(list, width, tall, divider) {
    const count = list.length;
    this.lefts = new Float32Array(count);
    this.widths = new Float32Array(count);
    /** @type {number[]} */
    this.tops = [];
    /** @type {number[]} */
    this.heights = [];
    /** @type {number[]} the first image of each row, and the number of images */
    this.firsts = [];
    this.dividerTop = -1;
    let first = 0, ratios = 0, top = 0;
    const close = (/** @type {number} */ end, /** @type {number} */ height) => {
      this.tops.push(top);
      this.heights.push(height);
      this.firsts.push(first);
      for (let at = first, left = 0; at < end; at += 1) {
        this.widths[at] *= height;
        this.lefts[at] = left;
        left += this.widths[at] + GAP;
      }
      top += height + GAP;
      first = end;
      ratios = 0;
    };
    const fitting = (/** @type {number} */ end) => (width - GAP * (end - first - 1)) / ratios;
    for (let at = 0; at < count; at += 1) {
      if (at === divider) {
        if (at > first) close(at, Math.min(tall, fitting(at)));
        this.dividerTop = top + DIVIDER_OFFSET;
        top += DIVIDER_SPACE;
      }
      const { width: wide, height: high } = list[at];
      const ratio = Math.min(MAX_RATIO, Math.max(MIN_RATIO, wide && high ? wide / high : 1));
      this.widths[at] = ratio;
      ratios += ratio;
      const height = fitting(at + 1);
      if (height <= tall) close(at + 1, height);
    }
    if (count > first) close(count, Math.min(tall, fitting(count)));
    this.firsts.push(count);
    this.height = top;
  }

  get count() { return this.tops.length; }

  /** The row of an image. @param {number} at */
  of(at) {
    let low = 0, high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.firsts[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The first row that ends below a height. @param {number} top */
  below(top) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle] + this.heights[middle] >= top) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The place of an image. @param {number} at */
  place(at) {
    const row = this.of(at);
    return { left: this.lefts[at], top: this.tops[row], width: this.widths[at], height: this.heights[row] };
  }

  /**
   * The image of another row that is nearest to the middle of an image.
   * @param {number} at
   * @param {number} step the number of rows down
   */
  beside(at, step) {
    const to = Math.min(this.count - 1, Math.max(0, this.of(at) + step));
    const distance = (/** @type {number} */ other) =>
      Math.abs(this.lefts[other] + this.widths[other] / 2 - this.lefts[at] - this.widths[at] / 2);
    let nearest = this.firsts[to];
    for (let other = nearest + 1; other < this.firsts[to + 1]; other += 1) {
      if (distance(other) < distance(nearest)) nearest = other;
    }
    return nearest;
  }
}
