// The tab Next: the images to label next. Used in a review only.

import { images } from "./data.js";
import { $, head, make } from "./elements.js";
import { messageOf, post } from "./server.js";
import { imageButton, viewer } from "./viewer.js";

/** Show the images whose labels would improve the order most. */
export async function showNext() {
  const section = $("next");
  head(section, "Next", "Choosing images …");
  try {
    const { numbers, error } = await post("next", {});
    const list = numbers.map((number) => images[number]);
    head(section, "Next", error || (list.length
      ? "The images whose labels would improve the order most, best first. Open the first image, then press k (keep), t (trash) or 1 to 5 (stars) for each image."
      : "Every image has a label."));
    if (!list.length) return;
    section.append(make("div", { class: "acts" },
      make("button", { type: "button", id: "begin", onclick: () => viewer.open(list, 0) }, "Start"),
      make("button", { type: "button", onclick: showNext }, "Other images")),
    make("div", { class: "row group" }, ...list.map((image) => imageButton(image, list))));
  } catch (error) {
    head(section, "Next", messageOf(error));
  }
}
