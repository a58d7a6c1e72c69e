"use strict";
// What the page knows, and how names become text, addresses and shell words. Touches no element.

const page = JSON.parse(document.getElementById("data").textContent);
let images = [];

function readImages() {
  images = page.images.map((row, number) => {
    const image = Object.fromEntries(page.columns.map((name, at) => [name, row[at]]));
    return Object.assign(image, { number, before: [] });
  });
}
readImages();

const folderOf = (image) => page.folders[image.folder];
const pathOf = (image) => `${folderOf(image).replace(/\/$/, "")}/${image.name}`;
const isUnsure = (image) =>
  image.score !== null && Math.abs(image.score - 0.5) <= image.deviation;
const scoreText = (score) => (score === null ? "no score" : score.toFixed(2));

// The bytes of a name: those that were no UTF-8 came as lone surrogates.
function bytesOf(text) {
  const bytes = [];
  for (const letter of text) {
    const code = letter.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...new TextEncoder().encode(letter));
  }
  return bytes;
}

const hex = (byte) => byte.toString(16).padStart(2, "0");
// Control, direction-changing and unpaired characters: they would lie about what a name is.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const escaped = (letter) => bytesOf(letter).map((byte) => `\\x${hex(byte)}`).join("");

// A name as text that is safe to look at.
const printable = (text) => text.replace(UNPRINTABLE, escaped);

// A name as one word of bash or zsh, whatever is in it.
function shellWord(text) {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (text.search(UNPRINTABLE) < 0) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${text.replace(/[\\']/g, "\\$&").replace(UNPRINTABLE, escaped)}'`;
}

const moveCommand = (list, folder) =>
  `mv -n -- ${list.map((image) => shellWord(pathOf(image))).join(" ")} ${shellWord(`${folder}/`)}`;

// The watch a path lies in: the one with the innermost inbox.
function watchAt(path) {
  const inside = page.watches.filter((one) => `${path}/`.startsWith(`${one.inbox}/`));
  return inside.sort((one, other) => other.inbox.length - one.inbox.length)[0] || page.watches[0];
}
const watchOf = (image) => watchAt(pathOf(image));

const safe = (byte) => /[\w.~/-]/.test(String.fromCharCode(byte)) && byte < 128;
const encodedPath = (text) =>
  bytesOf(text).map((byte) => (safe(byte) ? String.fromCharCode(byte) : `%${hex(byte)}`)).join("");

const thumbnailOf = (image) => `${page.thumbnails}/${image.sha256}.webp`;
const originalOf = (image) =>
  page.review ? `image/${image.number}/${image.sha256}` : `file://${encodedPath(pathOf(image))}`;

function sizeText(bytes) {
  if (!bytes) return "";
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)}\u00a0kB` : `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}

// ---- which images are shown, and in which order

const SORTS = {
  best: (one, other) => (other.score ?? -1) - (one.score ?? -1),
  worst: (one, other) => (one.score ?? 2) - (other.score ?? 2),
  unsure: (one, other) => Math.abs((one.score ?? 9) - 0.5) - Math.abs((other.score ?? 9) - 0.5),
  name: (one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)),
};

function fits(image, wanted) {
  if (wanted.place && image.place !== wanted.place) return false;
  if (wanted.label === "unsure" ? !isUnsure(image) : wanted.label === "none" ? image.label
    : wanted.label && image.label !== wanted.label) return false;
  const folder = folderOf(image);
  if (wanted.folder && folder !== wanted.folder && !folder.startsWith(`${wanted.folder}/`)) return false;
  if (wanted.name && !image.name.toLowerCase().includes(wanted.name.toLowerCase())) return false;
  const all = wanted.low <= 0 && wanted.high >= 1;
  return all || (image.score !== null && image.score >= wanted.low && image.score <= wanted.high);
}

const chosenImages = (wanted) =>
  images.filter((image) => fits(image, wanted)).sort(SORTS[wanted.sort]);
