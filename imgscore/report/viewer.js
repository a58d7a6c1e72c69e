// One image, large, with its facts, buttons that copy, and in a review buttons that label.

import {
  folderOf, gradeOf, isUnsure, labelTexts, originalOf, page, printable, scoreText, sizeText, takenText,
  watchOf,
} from "./data.js";
import {
  $, $button, $dialog, $image, announce, copyMove, copyPath, make, mark, scoreChip, spokenName, thumbnail,
} from "./elements.js";
import { hideReasons, showReasons } from "./reasons.js";
import { messageOf, post } from "./server.js";
import { forgetThumbnail, showThumbnail } from "./thumbnails.js";
import { Zoom } from "./zoom.js";

/** @typedef {import("./data.js").Image} Image */

/** @type {Record<string, string>} */
const PLACES = { inbox: "inbox", keep: "keep folder", trash: "trash folder" };

export const viewer = {
  /** @type {Image[]} */
  list: [],
  at: 0,
  /** @type {(image: Image) => void} is called when the viewer closes */
  onClose: () => {},
  zoom: new Zoom($("stage"), $image("large")),

  /**
   * @param {Image[]} list
   * @param {number} at
   */
  open(list, at) {
    this.list = list;
    if (!$dialog("viewer").open) {
      $dialog("viewer").showModal();
      $("viewer").focus(); // not a button: keys act on the image
    }
    this.show(at);
  },

  get image() {
    return this.list[this.at];
  },

  /** @param {number} at */
  show(at) {
    this.at = Math.min(this.list.length - 1, Math.max(0, at));
    const image = this.image, large = $image("large");
    this.zoom.begin(image.width, image.height);
    showThumbnail(large, image);
    large.alt = printable(image.name);
    $("preview").hidden = true;
    const original = new Image();
    original.addEventListener("load", () => {
      if (this.image !== image) return;
      forgetThumbnail(large);
      large.src = original.src;
    });
    original.addEventListener("error", () => { if (this.image === image) $("preview").hidden = false; });
    original.src = originalOf(image);
    this.update();
    if (page.review) showReasons(image, (list, number) => this.open(list, number));
  },

  // Show the facts and the label of the image.
  update() {
    const image = this.image;
    $("position").textContent = `${this.at + 1} of ${this.list.length}`;
    $("image-name").textContent = printable(image.name);
    $("image-score").replaceChildren(...this.score(image));
    const facts = {
      Taken: takenText(image), Camera: printable(image.camera),
      Folder: printable(folderOf(image)), Label: image.label ? labelTexts(image)[1] : "none",
      Place: PLACES[image.place] || "elsewhere",
      Pixels: image.width ? `${image.width} × ${image.height}` : "", Size: sizeText(image.bytes),
    };
    $("details").replaceChildren(...Object.entries(facts).filter((fact) => fact[1]).flatMap(
      ([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    const watch = watchOf(image);
    $("copy-keep").hidden = !watch.keep;
    $("copy-trash").hidden = !watch.trash;
    $button("previous").disabled = this.at === 0;
    $button("next-image").disabled = this.at === this.list.length - 1;
    for (const button of $("labelling").querySelectorAll("button")) {
      if (!button.value) continue;
      button.setAttribute("aria-pressed", String(Boolean(image.label) && gradeOf(button.value) === image.grade));
    }
  },

  /** @param {Image} image */
  score(image) {
    if (image.score === null || image.deviation === null) return ["no score"];
    const range = make("i"), point = make("b");
    const meter = make("span", { class: "meter", "aria-hidden": "true" }, range, point);
    meter.style.display = "block";
    const low = Math.max(0, image.score - image.deviation), high = Math.min(1, image.score + image.deviation);
    range.style.left = `${100 * low}%`;
    range.style.width = `${100 * (high - low)}%`;
    point.style.left = `${100 * image.score}%`;
    const likely = isUnsure(image) ? "undecided" : image.score >= 0.5 ? "you probably keep it" : "you probably trash it";
    return [make("b", {}, scoreText(image.score)), ` ± ${image.deviation.toFixed(2)} · ${likely}`, meter];
  },

  close() {
    $dialog("viewer").close();
  },

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowRight: () => this.show(this.at + 1), ArrowLeft: () => this.show(this.at - 1),
      Home: () => this.show(0), End: () => this.show(this.list.length - 1),
    };
    if (this.zoom.key(event)) return true;
    if (!actions[event.key]) return false;
    actions[event.key]();
    return true;
  },

  listen() {
    $("previous").onclick = () => this.show(this.at - 1);
    $("next-image").onclick = () => this.show(this.at + 1);
    $("close").onclick = () => this.close();
    $("copy-path").onclick = () => copyPath(this.image);
    $("copy-keep").onclick = () => copyMove(this.image, "keep");
    $("copy-trash").onclick = () => copyMove(this.image, "trash");
    $("open-folder").onclick = () => openFolder(this.image);
    $("zoom-in").onclick = () => this.zoom.by(1.4);
    $("zoom-out").onclick = () => this.zoom.by(1 / 1.4);
    $("zoom-fit").onclick = () => this.zoom.fit();
    $("zoom-pixels").onclick = () => this.zoom.to(this.zoom.pixelScale);
    $("viewer").addEventListener("close", () => {
      document.body.append($("status"));
      hideReasons();
      this.onClose(this.image);
    });
    this.zoom.onSwipe = (step) => this.show(this.at + step);
    this.zoom.onChange = () => {
      const pixels = this.zoom.scale / this.zoom.pixelScale;
      $("zoom-level").textContent = `${Math.round(100 * pixels)} %`;
      $("zoom-pixels").setAttribute("aria-pressed", String(Math.abs(pixels - 1) < 0.01));
    };
    addEventListener("resize", () => { if (this.zoom.scale === 1) this.zoom.fit(); });
  },
};

/**
 * A button with a thumbnail. It opens the image in the viewer, which walks through `list`.
 * @param {Image} image
 * @param {Image[]} list
 */
export function imageButton(image, list, extra = "") {
  const open = () => viewer.open(list, list.indexOf(image));
  const button = make("button", {
    type: "button", class: `shot ${extra}`, "aria-label": `Open ${spokenName(image)}`, onclick: open,
  }, thumbnail(image));
  if (image.score !== null) button.append(scoreChip(image));
  if (image.label) button.append(mark(image));
  return button;
}

/**
 * Let the server of the review open the file manager.
 * @param {Image} image
 */
export async function openFolder(image) {
  try {
    await post("reveal", { image: image.number, sha256: image.sha256 }, "reveal");
    announce(`Opened: ${printable(folderOf(image))}`);
  } catch (error) {
    announce(`Could not open the folder: ${messageOf(error)}`);
  }
}
