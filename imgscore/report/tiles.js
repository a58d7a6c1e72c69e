// The tiles of the gallery. A tile that has left the window shows another image later: new elements
// for each of 100,000 images would fill the memory faster than the browser collects them.

import { blurOf, isUnsure, labelTexts, printable, scoreText } from "./data.js";
import { make, spokenName } from "./elements.js";
import { forgetThumbnail, showThumbnail } from "./thumbnails.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {{ left: number, top: number, width: number, height: number }} Place in CSS pixels */

/** A tile. Its elements stay the same: `fill` and `complete` show another image in them. */
export class Tile {
  /** @param {(at: number) => void} open opens the image with this index in the list */
  constructor(open) {
    this.at = 0;
    /** @type {Image | null} */
    this.image = null;
    /** Whether the tile is at the place of its image. The rows may have changed since. */
    this.isPlaced = false;
    this.isWhole = false;
    this.picture = make("img", { alt: "", decoding: "async" });
    // The text nodes stay, too: `textContent` would make new ones.
    this.name = new Text();
    this.scoreText = new Text();
    this.score = make("span", {}, this.scoreText);
    this.mark = make("span");
    this.element = make("div", { role: "option", "aria-selected": "false" }, this.picture,
      make("span", { class: "name", dir: "auto" }, this.name), this.score);
    this.element.addEventListener("click", () => open(this.at));
    this.picture.addEventListener("load", () => { this.element.style.backgroundImage = ""; });
    this.picture.addEventListener("error", () => {
      this.picture.remove();
      this.element.style.backgroundImage = "";
      this.element.classList.add("no-thumbnail");
    });
  }

  /**
   * Show the coarse view of an image.
   * @param {Image} image
   * @param {number} at the index of the image in the list
   * @param {number} count the length of the list
   * @param {Place} place
   */
  fill(image, at, count, place) {
    const { element } = this, isSmall = image.width > 0 && image.width < place.width && image.height < place.height;
    this.at = at;
    this.image = image;
    this.isPlaced = true;
    this.isWhole = false;
    element.id = `tile-${at}`;
    element.className = `tile coarse ${image.label || ""}${isSmall ? " small" : ""}`;
    element.setAttribute("aria-selected", "false");
    element.setAttribute("aria-label", spokenName(image));
    element.setAttribute("aria-setsize", String(count));
    element.setAttribute("aria-posinset", String(at + 1));
    element.style.cssText = `left:${place.left}px;top:${place.top}px;width:${place.width}px;height:${place.height}px`;
    element.style.backgroundImage = blurOf(image);
  }

  /**
   * Show the rest: the picture, the name, the score and the label.
   * @param {Image} image the image that the tile shows
   */
  complete(image) {
    if (this.isWhole) return;
    this.isWhole = true;
    const { element, mark, picture } = this;
    this.name.data = printable(image.name);
    this.score.className = isUnsure(image) ? "score unsure" : "score";
    this.scoreText.data = scoreText(image.score);
    if (image.label) {
      mark.className = `mark ${image.label}`;
      [mark.textContent] = labelTexts(image);
      element.append(mark);
    } else mark.remove();
    if (picture.parentNode !== element) element.prepend(picture);
    element.classList.remove("coarse");
    showThumbnail(picture, image);
  }

  /** Let go of the picture: the browser then frees its pixels at once. */
  empty() {
    if (!this.isWhole) return;
    forgetThumbnail(this.picture);
    this.picture.removeAttribute("src");
  }
}
