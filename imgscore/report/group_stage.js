// The images of a group, side by side, with one zoom for all of them. Used in a review only.

import { originalOf } from "./data.js";
import { $, make } from "./elements.js";
import { forgetThumbnail, showThumbnail } from "./thumbnails.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {{ element: HTMLElement, ready: Promise<void> }} Frame */

// The largest magnification: at 16, one pixel of a 12-megapixel photograph is easy to see.
const MAX_SCALE = 16;

// The longest side of an image that is shown with the edges of its pixels.
const ICON = 160;

// A pointer that moves by fewer CSS pixels has clicked, and has not dragged.
const CLICK_DISTANCE = 6;

/** @type {Map<string, Frame>} the loaded images, by sha256 */
const frames = new Map();

/**
 * The element of an image. It shows the thumbnail until the original is decoded.
 * @param {Image} image
 */
export function frameOf(image) {
  const known = frames.get(image.sha256);
  if (known) return known;
  const small = make("img", { alt: "", draggable: "false" });
  small.addEventListener("error", () => small.classList.add("missing"));
  showThumbnail(small, image);
  // An icon fills its frame, too: pixels with edges are easier to compare than a blur.
  const isIcon = image.width > 0 && Math.max(image.width, image.height) <= ICON;
  const element = make("span", { class: isIcon ? "frame icon" : "frame" }, small);
  const original = make("img", { alt: "", draggable: "false" });
  original.src = originalOf(image);
  const ready = original.decode().then(
    () => { forgetThumbnail(small); small.replaceWith(original); },
    () => { element.classList.add("preview"); }, // the browser cannot show the file, such as a RAW
  );
  const frame = { element, ready };
  frames.set(image.sha256, frame);
  return frame;
}

/**
 * Decode images in advance, one after the other.
 * @param {Image[]} list
 */
export async function preload(list) {
  for (const image of list) await frameOf(image).ready;
}

/**
 * Forget all other images, so that the browser can free their memory.
 * @param {Image[]} list
 */
export function keepLoaded(list) {
  const wanted = new Set(list.map((image) => image.sha256));
  for (const sha256 of frames.keys()) if (!wanted.has(sha256)) frames.delete(sha256);
}

export const zoom = {
  scale: 1,
  x: 0,
  y: 0,

  /** The size of a frame in CSS pixels. All frames of the stage have the same size. */
  box() {
    const frame = $("group-stage").querySelector(".frame");
    return { width: frame?.clientWidth || 1, height: frame?.clientHeight || 1 };
  },

  /**
   * @param {number} scale 1 shows whole images
   * @param {number} x by how many CSS pixels the images are moved to the right
   * @param {number} y by how many they are moved down
   */
  set(scale, x, y) {
    const { width, height } = this.box();
    const wide = (width * Math.max(0, scale - 1)) / 2, high = (height * Math.max(0, scale - 1)) / 2;
    this.scale = scale;
    this.x = Math.min(wide, Math.max(-wide, x));
    this.y = Math.min(high, Math.max(-high, y));
    const { style } = $("group-stage");
    style.setProperty("--scale", String(this.scale));
    style.setProperty("--x", `${this.x}px`);
    style.setProperty("--y", `${this.y}px`);
    $("group-stage").classList.toggle("zoomed", scale > 1);
    $("group-zoom").setAttribute("aria-pressed", String(scale !== 1));
  },

  /**
   * Change the magnification. The point under the pointer stays where it is.
   * @param {number} scale
   * @param {{ x: number, y: number }} point from the centre of the frame
   */
  to(scale, point = { x: 0, y: 0 }) {
    const next = Math.min(MAX_SCALE, Math.max(Math.min(1, this.scale), scale)), factor = next / this.scale;
    this.set(next, point.x - (point.x - this.x) * factor, point.y - (point.y - this.y) * factor);
  },

  /**
   * The scale at which a pixel of the largest image is a pixel of the screen.
   * @param {Image[]} list
   */
  actual(list) {
    const { width, height } = this.box();
    const pixels = list.map((image) => Math.min(width / (image.width || width), height / (image.height || height)));
    return Math.min(MAX_SCALE, 1 / (Math.min(...pixels) * devicePixelRatio));
  },

  /**
   * Switch between whole images and 1:1.
   * @param {Image[]} list
   * @param {{ x: number, y: number }} [point]
   */
  toggle(list, point) {
    if (this.scale !== 1) this.set(1, 0, 0);
    else {
      this.scale = 1;
      const scale = this.actual(list), at = point || { x: 0, y: 0 };
      this.set(scale, at.x * (1 - scale), at.y * (1 - scale));
    }
  },

  /**
   * Move all images. The arguments are parts of a frame.
   * @param {number} x
   * @param {number} y
   */
  pan(x, y) {
    const { width, height } = this.box();
    this.set(this.scale, this.x + x * width, this.y + y * height);
  },
};

/**
 * A point of an event, from the centre of the frame that it is in; null outside of all frames.
 * @param {MouseEvent} event
 */
function pointIn(event) {
  const frame = event.target instanceof Element ? event.target.closest(".choice")?.querySelector(".frame") : null;
  if (!frame) return null;
  const box = frame.getBoundingClientRect();
  return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
}

/**
 * Listen to the wheel, to drags, and to two fingers.
 * @param {() => Image[]} shown the images of the stage
 */
export function listenToStage(shown) {
  const stage = $("group-stage");
  /** @type {Map<number, { x: number, y: number }>} the pointers that are down */
  const down = new Map();
  let moved = 0;
  /** @type {{ x: number, y: number } | null} the place of the first finger in its frame */
  let pinch = null;
  const spread = () => {
    const [first, second] = [...down.values()];
    return Math.hypot(first.x - second.x, first.y - second.y);
  };
  stage.addEventListener("wheel", (event) => {
    const point = pointIn(event);
    if (!point) return;
    event.preventDefault();
    zoom.to(zoom.scale * (event.deltaY < 0 ? 1.2 : 1 / 1.2), point);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const point = pointIn(event);
    if (point) zoom.toggle(shown(), point);
  });
  stage.addEventListener("pointerdown", (event) => {
    const point = pointIn(event);
    if (!point || event.button) return;
    if (!down.size) moved = 0;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (down.size === 2) pinch = point;
  });
  addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (!last) return;
    const before = down.size === 2 ? spread() : 0;
    const x = event.clientX - last.x, y = event.clientY - last.y;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved += Math.hypot(x, y);
    if (before && pinch) {
      zoom.to((zoom.scale * spread()) / before, pinch);
      if (zoom.scale > 1) zoom.set(zoom.scale, zoom.x + x / 2, zoom.y + y / 2); // by the middle of both fingers
      pinch = { x: pinch.x + x / 2, y: pinch.y + y / 2 };
    } else if (down.size === 1 && zoom.scale > 1) zoom.set(zoom.scale, zoom.x + x, zoom.y + y);
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    addEventListener(name, (event) => { down.delete(event.pointerId); });
  }
  // A drag ends with a click, which must not pick the image.
  stage.addEventListener("click", (event) => {
    if (moved > CLICK_DISTANCE && event.detail) event.stopPropagation();
    moved = 0;
  }, { capture: true });
}
