// One image, large, with its facts, buttons that copy, and in a review buttons that label.

import {
  folderOf, gradeOf, isUnsure, labelTexts, originalOf, printable, scoreText, sizeText, thumbnailOf, watchOf,
} from "./data.js";
import {
  $, $button, $dialog, $image, copyMove, copyPath, make, mark, scoreChip, spokenName, thumbnail,
} from "./elements.js";

/** @typedef {import("./data.js").Image} Image */

/** @type {Record<string, string>} */
const PLACES = { inbox: "inbox", keep: "keep folder", trash: "trash folder" };

export const viewer = {
  /** @type {Image[]} */
  list: [],
  at: 0,
  /** @type {(image: Image) => void} is called when the viewer closes */
  onClose: () => {},
  zoom: { scale: 1, x: 0, y: 0 },

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
    this.setZoom(1, 0, 0);
    const image = this.image, large = $image("large");
    large.src = thumbnailOf(image);
    large.alt = printable(image.name);
    const original = new Image();
    original.addEventListener("load", () => { if (this.image === image) large.src = original.src; });
    original.src = originalOf(image);
    this.update();
  },

  // Show the facts and the label of the image.
  update() {
    const image = this.image;
    $("position").textContent = `${this.at + 1} of ${this.list.length}`;
    $("image-name").textContent = printable(image.name);
    $("image-score").replaceChildren(...this.score(image));
    const facts = {
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

  /**
   * @param {number} scale
   * @param {number} x
   * @param {number} y
   */
  setZoom(scale, x, y) {
    this.zoom = { scale: Math.min(12, Math.max(1, scale)), x, y };
    if (this.zoom.scale === 1) Object.assign(this.zoom, { x: 0, y: 0 });
    $("stage").classList.toggle("zoomed", this.zoom.scale > 1);
    $("large").style.transform = `translate(${this.zoom.x}px, ${this.zoom.y}px) scale(${this.zoom.scale})`;
  },

  /** @param {number} factor */
  zoomBy(factor) {
    const { scale, x, y } = this.zoom;
    this.setZoom(scale * factor, x * factor, y * factor);
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
      "+": () => this.zoomBy(1.4), "=": () => this.zoomBy(1.4), "-": () => this.zoomBy(1 / 1.4),
      0: () => this.setZoom(1, 0, 0),
    };
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
    $("zoom-in").onclick = () => this.zoomBy(1.4);
    $("zoom-out").onclick = () => this.zoomBy(1 / 1.4);
    $("zoom-fit").onclick = () => this.setZoom(1, 0, 0);
    $("viewer").addEventListener("close", () => {
      document.body.append($("status"));
      this.onClose(this.image);
    });
    const stage = $("stage");
    /** @type {{ x: number, y: number, from: number } | null} */
    let drag = null;
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    stage.addEventListener("dblclick", () => (this.zoom.scale > 1 ? this.setZoom(1, 0, 0) : this.zoomBy(3)));
    stage.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX - this.zoom.x, y: event.clientY - this.zoom.y, from: event.clientX };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (drag && this.zoom.scale > 1) this.setZoom(this.zoom.scale, event.clientX - drag.x, event.clientY - drag.y);
    });
    stage.addEventListener("pointerup", (event) => {
      const swipe = drag && this.zoom.scale === 1 ? event.clientX - drag.from : 0;
      drag = null;
      if (Math.abs(swipe) > 60) this.show(this.at + (swipe < 0 ? 1 : -1));
    });
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
