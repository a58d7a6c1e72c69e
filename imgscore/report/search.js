// The tab Search: images that fit words. Used in a review only.

import { images, page } from "./data.js";
import { $, head, make } from "./elements.js";
import { messageOf, post } from "./server.js";
import { imageButton } from "./viewer.js";

/** Find images by words. The results stay until the next search. */
export function showSearch() {
  const section = $("search"), lead = "Describe images in words. The images that fit best come first.";
  head(section, "Search", lead);
  const words = make("input", { type: "search", id: "words", maxlength: "1000", autocomplete: "off", required: "", "aria-label": "Words" });
  const results = make("div", { class: "row group", id: "results" });
  const count = make("p", { class: "count", role: "status" });
  const form = make("form", { class: "acts" }, words, make("button", {}, "Search"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    count.textContent = "Searching …";
    try {
      const { numbers, error } = await post("search", { text: words.value });
      const list = numbers.map((number) => images[number]);
      count.textContent = error || (list.length ? "" : "No image was found.");
      results.replaceChildren(...list.map((image) => imageButton(image, list)));
    } catch (error) {
      count.textContent = messageOf(error);
    }
  });
  count.textContent = page.unsearchable; // before any words are typed
  section.append(form, count, results);
  words.focus();
}
