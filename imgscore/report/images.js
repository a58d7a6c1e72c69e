// The images of the page. Their facts are in columns: 100,000 objects with all facts would take ten
// times the memory, and as long again to make.

/** @typedef {import("./types").PageData} PageData */

// The parts of 1 in which scores and deviations are given. No score is -1.
const SCORE_PARTS = 10_000;
// Characters of a digest, and of a coarse view.
const DIGEST = 64, BLUR = 8;

/** @param {number} grade */
export const nameOf = (grade) => (grade > 0.5 ? "keep" : grade < 0.5 ? "trash" : "undecided");

/** Texts that are joined by "/". A text is made when it is read. */
class JoinedTexts {
  /**
   * @param {string} joined
   * @param {number} count
   */
  constructor(joined, count) {
    this.joined = joined;
    this.ends = new Uint32Array(count);
    let start = 0;
    for (let at = 0; at < count; at += 1) {
      const end = joined.indexOf("/", start);
      this.ends[at] = end < 0 ? joined.length : end;
      start = this.ends[at] + 1;
    }
  }

  /** @param {number} at */
  at(at) {
    return this.joined.slice(at ? this.ends[at - 1] + 1 : 0, this.ends[at]);
  }
}

/** The facts of all images of one order, a list for each fact. */
class Columns {
  /** @param {PageData} page */
  constructor(page) {
    const { images } = page;
    this.count = images.folders.length;
    this.names = new JoinedTexts(images.names, this.count);
    this.taken = new JoinedTexts(images.taken, this.count);
    this.digests = images.sha256;
    this.blurs = images.blurs;
    this.folders = new Uint32Array(images.folders);
    this.scores = new Int16Array(images.scores);
    this.deviations = new Int16Array(images.deviations);
    this.places = new Uint8Array(images.places);
    this.widths = new Uint32Array(images.widths);
    this.heights = new Uint32Array(images.heights);
    this.bytes = new Float64Array(images.bytes);
    this.cameras = new Uint32Array(images.cameras);
    this.grades = new Float64Array(this.count).fill(NaN); // NaN: no label
    for (const [number, grade] of Object.entries(images.grades)) this.grades[Number(number)] = grade;
    this.unmade = new Uint8Array(this.count);
    for (const number of page.unmade) this.unmade[number] = 1;
    this.folderNames = page.folders;
    this.placeNames = page.places;
    this.cameraNames = page.cameras;
  }
}

/** An image of the page. It stays valid when the page gets a new order. */
export class PageImage {
  /**
   * @param {Columns} columns
   * @param {number} number the index of the image in the columns
   */
  constructor(columns, number) {
    this.columns = columns;
    this.number = number;
  }

  get name() { return this.columns.names.at(this.number); }

  get folder() { return this.columns.folderNames[this.columns.folders[this.number]]; }

  get sha256() { return this.columns.digests.slice(DIGEST * this.number, DIGEST * (this.number + 1)); }

  /** @returns {number | null} */
  get score() {
    const score = this.columns.scores[this.number];
    return score < 0 ? null : score / SCORE_PARTS;
  }

  /** @returns {number | null} */
  get deviation() {
    const deviation = this.columns.deviations[this.number];
    return deviation < 0 ? null : deviation / SCORE_PARTS;
  }

  /** @returns {number | null} the grade of the label: 0 is trash, 1 is keep */
  get grade() {
    const grade = this.columns.grades[this.number];
    return Number.isNaN(grade) ? null : grade;
  }

  set grade(grade) { this.columns.grades[this.number] = grade ?? NaN; }

  /** @returns {string | null} the name of the grade */
  get label() {
    const { grade } = this;
    return grade === null ? null : nameOf(grade);
  }

  get place() { return this.columns.placeNames[this.columns.places[this.number]]; }

  get width() { return this.columns.widths[this.number]; }

  get height() { return this.columns.heights[this.number]; }

  get bytes() { return this.columns.bytes[this.number]; }

  get taken() { return this.columns.taken.at(this.number); }

  get camera() { return this.columns.cameraNames[this.columns.cameras[this.number]]; }

  /** Two hexadecimal digits of brightness for each of four rows; spaces if unknown. */
  get blur() { return this.columns.blurs.slice(BLUR * this.number, BLUR * (this.number + 1)); }

  /** Whether the thumbnail was missing when the page was made. */
  get isUnmade() { return this.columns.unmade[this.number] === 1; }
}

/** @param {PageData} page */
export function imagesOf(page) {
  const columns = new Columns(page);
  return Array.from({ length: columns.count }, (_, number) => new PageImage(columns, number));
}
