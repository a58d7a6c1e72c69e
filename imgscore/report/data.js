// The data of the page, and names as text, addresses and shell words. Changes no element.

import { imagesOf, nameOf } from "./images.js";

/** @typedef {import("./types").PageData} PageData */
/** @typedef {import("./images.js").PageImage} Image */
/**
 * The filters above the gallery, and the order of the images.
 * @typedef {{ name: string, folder: string, place: string, label: string, sort: string,
 *   low: number, high: number }} Filters
 */

/** @type {PageData} */
export const page = JSON.parse(document.getElementById("data")?.textContent || "");
/** @type {Image[]} */
export let images = [];

export function readImages() {
  images = imagesOf(page);
  Object.assign(page, { images: null, unmade: [] }); // the columns of the images have copies
}
readImages();
// The text is as large as the images. Nothing reads it again.
document.getElementById("data")?.remove();

/** @param {Image} image */
export const folderOf = (image) => image.folder;
/** @param {Image} image */
export const pathOf = (image) => `${folderOf(image).replace(/\/$/, "")}/${image.name}`;
/** @param {Image} image */
export const isUnsure = (image) =>
  image.score !== null && image.deviation !== null && Math.abs(image.score - 0.5) <= image.deviation;

// ---- labels and grades: 0 is trash, 1 is keep, and the grades of the stars are between

/** @type {Record<string, number>} */
const GRADES = { keep: 1, trash: 0, reject: 0 };
/** @param {string} text */
export const gradeOf = (text) => GRADES[text] ?? page.stars[text];

/**
 * A grade as [text, spoken text]: keep, trash, stars, or a number that belongs to no number of stars.
 * @param {number} grade
 */
function gradeTexts(grade) {
  if (grade === 0 || grade === 1) return [nameOf(grade), nameOf(grade)];
  const stars = Object.keys(page.stars).find((text) => page.stars[text] === grade);
  if (!stars) return [String(grade), `grade ${grade}`];
  return ["★".repeat(Number(stars)), stars === "1" ? "1 star" : `${stars} stars`];
}
/** @param {Image} image */
export const labelTexts = (image) => (image.grade === null ? [image.label || "", image.label || ""] : gradeTexts(image.grade));

/** @param {number | null} score */
export const scoreText = (score) => (score === null ? "no score" : score.toFixed(2));

/**
 * The bytes of a name. Bytes that are not UTF-8 are lone surrogates in the data.
 * @param {string} text
 */
function bytesOf(text) {
  /** @type {number[]} */
  const bytes = [];
  for (const letter of text) {
    const code = letter.codePointAt(0) || 0;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...new TextEncoder().encode(letter));
  }
  return bytes;
}

/** @param {number} byte */
const hex = (byte) => byte.toString(16).padStart(2, "0");
// Control characters, changes of direction and lone surrogates: they could disguise a name.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** @param {string} letter */
const escaped = (letter) => bytesOf(letter).map((byte) => `\\x${hex(byte)}`).join("");

/**
 * A name as text that is safe to show.
 * @param {string} text
 */
export const printable = (text) => text.replace(UNPRINTABLE, escaped);

/**
 * A name as one word of bash or zsh, whatever characters it has.
 * @param {string} text
 */
export function shellWord(text) {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (text.search(UNPRINTABLE) < 0) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${text.replace(/[\\']/g, "\\$&").replace(UNPRINTABLE, escaped)}'`;
}

/**
 * @param {Image[]} list
 * @param {string} folder
 */
export const moveCommand = (list, folder) =>
  `mv -n -- ${list.map((image) => shellWord(pathOf(image))).join(" ")} ${shellWord(`${folder}/`)}`;

/**
 * The watch of a path: of those that contain it, the one with the innermost inbox.
 * @param {string} path
 */
export function watchAt(path) {
  const inside = page.watches.filter((watch) => `${path}/`.startsWith(`${watch.inbox}/`));
  return inside.sort((a, b) => b.inbox.length - a.inbox.length)[0] || page.watches[0];
}
/** @param {Image} image */
export const watchOf = (image) => watchAt(pathOf(image));

/** @param {number} byte */
const safe = (byte) => /[\w.~/-]/.test(String.fromCharCode(byte)) && byte < 128;
/** @param {string} text */
const encodedPath = (text) =>
  bytesOf(text).map((byte) => (safe(byte) ? String.fromCharCode(byte) : `%${hex(byte)}`)).join("");

/** @param {Image} image */
export const thumbnailOf = (image) => `${page.thumbnails}/${image.sha256}.webp`;
/** @param {Image} image */
export const originalOf = (image) =>
  page.review ? `image/${image.number}/${image.sha256}` : `file://${encodedPath(pathOf(image))}`;

/** @param {number} bytes */
export function sizeText(bytes) {
  if (!bytes) return "";
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)}\u00a0kB` : `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}

/**
 * The coarse view of an image as a CSS background: the brightness of its four rows; "" if unknown. A
 * bitmap of all its parts would be a request for each tile, which costs more than the tile.
 * @param {Image} image
 */
export function blurOf(image) {
  const { blur } = image;
  if (blur.length !== 8 || blur[0] === " ") return "";
  const rows = [0, 2, 4, 6].map((at) => {
    const luma = parseInt(blur.slice(at, at + 2), 16);
    return `rgb(${luma} ${luma} ${luma})`;
  });
  return `linear-gradient(${rows.join(",")})`;
}

/** The time of the photograph, as a camera writes it. @param {Image} image */
export const takenText = (image) => image.taken.replace("T", " ");

// ---- filters and sorting

/** @type {Record<string, (a: Image, b: Image) => number>} */
const SORTS = {
  best: (a, b) => (b.score ?? -1) - (a.score ?? -1),
  worst: (a, b) => (a.score ?? 2) - (b.score ?? 2),
  unsure: (a, b) => Math.abs((a.score ?? 9) - 0.5) - Math.abs((b.score ?? 9) - 0.5),
  name: (a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)),
};

/**
 * @param {Image} image
 * @param {Filters} filters
 */
function matches(image, filters) {
  if (filters.place && image.place !== filters.place) return false;
  if (filters.label === "unsure" ? !isUnsure(image) : filters.label === "none" ? image.label
    : filters.label in page.stars ? image.grade !== page.stars[filters.label]
    : filters.label && image.label !== filters.label) return false;
  const folder = folderOf(image);
  if (filters.folder && folder !== filters.folder && !folder.startsWith(`${filters.folder}/`)) return false;
  if (filters.name && !image.name.toLowerCase().includes(filters.name.toLowerCase())) return false;
  const isAnyScore = filters.low <= 0 && filters.high >= 1;
  return isAnyScore || (image.score !== null && image.score >= filters.low && image.score <= filters.high);
}

/** @param {Filters} filters */
export const filteredImages = (filters) =>
  images.filter((image) => matches(image, filters)).sort(SORTS[filters.sort]);
