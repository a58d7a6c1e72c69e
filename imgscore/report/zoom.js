// Zoom and pan of one picture in its frame, by wheel, mouse, fingers and keys.

// The largest zoom, as a multiple of 1:1: single pixels are then plain to see.
const MAX_PIXEL_ZOOM = 8;
// How far a key moves the picture, in CSS pixels.
const KEY_STEP = 80;
// The shortest swipe that counts as one, in CSS pixels.
const SWIPE = 60;

/** The distance of two pointers. @param {PointerEvent[]} pointers */
const distance = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
/** The point between two pointers. @param {PointerEvent[]} pointers */
const between = ([a, b]) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });

export class Zoom {
  /**
   * @param {HTMLElement} frame
   * @param {HTMLImageElement} picture fills the frame, and is as large as `object-fit: contain` makes it
   */
  constructor(frame, picture) {
    this.frame = frame;
    this.picture = picture;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.width = 0;
    this.height = 0;
    /** @type {() => void} is called after each change */
    this.onChange = () => {};
    /** @type {(step: number) => void} is called after a swipe: 1 for the next image, -1 for the previous one */
    this.onSwipe = () => {};
    this.listen();
  }

  /**
   * Begin with a new picture, fitted into the frame. A picture is never larger than its pixels.
   * @param {number} width in pixels; 0 if it is not known
   * @param {number} height
   */
  begin(width, height) {
    this.width = width;
    this.height = height;
    this.picture.style.maxWidth = width ? `${width}px` : "";
    this.picture.style.maxHeight = height ? `${height}px` : "";
    this.set(1, 0, 0);
  }

  /** The scale at which one pixel of the picture is one pixel of the screen. */
  get pixelScale() {
    const width = this.width || this.picture.naturalWidth, height = this.height || this.picture.naturalHeight;
    if (!width || !height) return 1;
    const fitted = Math.min(1, this.frame.clientWidth / width, this.frame.clientHeight / height);
    return 1 / devicePixelRatio / fitted;
  }

  /**
   * @param {number} scale 1 fits the picture into the frame
   * @param {number} x the distance of the middle of the picture from that of the frame
   * @param {number} y
   */
  set(scale, x, y) {
    const lowest = Math.min(1, this.pixelScale);
    this.scale = Math.min(Math.max(12, MAX_PIXEL_ZOOM * this.pixelScale), Math.max(lowest, scale));
    // The frame never shows more than half of itself empty.
    const farX = this.scale > 1 ? (this.frame.clientWidth * this.scale) / 2 : 0;
    const farY = this.scale > 1 ? (this.frame.clientHeight * this.scale) / 2 : 0;
    this.x = Math.min(farX, Math.max(-farX, x));
    this.y = Math.min(farY, Math.max(-farY, y));
    this.frame.classList.toggle("zoomed", this.scale > 1);
    this.frame.classList.toggle("pixels", this.scale >= 2 * this.pixelScale && this.scale > 1);
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.onChange();
  }

  fit() {
    this.set(1, 0, 0);
  }

  /**
   * Zoom, and leave a point of the picture where it is.
   * @param {number} scale
   * @param {{ clientX: number, clientY: number } | null} point null for the middle of the frame
   */
  to(scale, point = null) {
    const box = this.frame.getBoundingClientRect();
    const left = point ? point.clientX - box.left - box.width / 2 : 0;
    const top = point ? point.clientY - box.top - box.height / 2 : 0;
    const before = this.scale;
    const wanted = Math.abs(scale - 1) < 1e-6 ? 1 : scale;
    if (wanted === 1) return this.fit();
    const factor = Math.min(Math.max(12, MAX_PIXEL_ZOOM * this.pixelScale), wanted) / before;
    return this.set(wanted, left - (left - this.x) * factor, top - (top - this.y) * factor);
  }

  /**
   * @param {number} factor
   * @param {{ clientX: number, clientY: number } | null} point
   */
  by(factor, point = null) {
    this.to(this.scale < 1.05 && factor < 1 ? 1 : this.scale * factor, point);
  }

  /**
   * Switch between 1:1 and the whole picture.
   * @param {{ clientX: number, clientY: number } | null} point
   */
  toggle(point = null) {
    const isPixels = Math.abs(this.scale - this.pixelScale) < 0.01;
    if (isPixels || this.scale > 1) this.fit();
    else this.to(this.pixelScale, point);
  }

  /** Handle a key. @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const actions = {
      "+": () => this.by(1.4), "=": () => this.by(1.4), "-": () => this.by(1 / 1.4), 0: () => this.fit(),
      z: () => this.toggle(),
    };
    /** @type {Record<string, [number, number]>} */
    const pans = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.shiftKey && pans[event.key] && this.scale > 1) {
      const [x, y] = pans[event.key];
      this.set(this.scale, this.x + x * KEY_STEP, this.y + y * KEY_STEP);
      return true;
    }
    if (!actions[event.key]) return false;
    actions[event.key]();
    return true;
  }

  listen() {
    const { frame } = this;
    /** @type {Map<number, PointerEvent>} the pointers that are down */
    const down = new Map();
    let from = 0, pinched = false;
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.by(event.deltaY < 0 ? 1.15 : 1 / 1.15, event);
    }, { passive: false });
    frame.addEventListener("dblclick", (event) => this.toggle(event));
    frame.addEventListener("pointerdown", (event) => {
      if (!down.size) [from, pinched] = [event.clientX, false];
      down.set(event.pointerId, event);
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const last = [...down.values()];
      down.set(event.pointerId, event);
      if (last.length === 2 && distance(last)) {
        const fingers = [...down.values()], was = between(last), is = between(fingers);
        pinched = true;
        this.by(distance(fingers) / distance(last), was);
        if (this.scale > 1) this.set(this.scale, this.x + is.clientX - was.clientX, this.y + is.clientY - was.clientY);
      } else if (this.scale > 1) {
        this.set(this.scale, this.x + event.clientX - before.clientX, this.y + event.clientY - before.clientY);
      }
    });
    const up = (/** @type {PointerEvent} */ event) => {
      const swipe = down.delete(event.pointerId) && !down.size && !pinched && this.scale <= 1 ? event.clientX - from : 0;
      if (event.type === "pointerup" && Math.abs(swipe) > SWIPE) this.onSwipe(swipe < 0 ? 1 : -1);
    };
    frame.addEventListener("pointerup", up);
    frame.addEventListener("pointercancel", up);
  }
}
