// Functions that make elements. No function of the page parses HTML: text stays text.

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function thumbnail(image) {
  const picture = make("img", { src: thumbnailOf(image), alt: "", decoding: "async", loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  return picture;
}

const spokenName = (image) =>
  [printable(image.name), image.score === null ? "no score" : `score ${scoreText(image.score)}`,
    image.label ? `labelled ${labelTexts(image)[1]}` : ""].filter(Boolean).join(", ");

const mark = (image) => make("span", { class: `mark ${image.label}` }, labelTexts(image)[0]);

function scoreChip(image) {
  return make("span", { class: isUnsure(image) ? "score unsure" : "score" }, scoreText(image.score));
}

// A button with a thumbnail. It opens the image in the viewer, which walks through `list`.
function imageButton(image, list, extra = "") {
  const open = () => viewer.open(list, list.indexOf(image));
  const button = make("button", {
    type: "button", class: `shot ${extra}`, "aria-label": `Open ${spokenName(image)}`, onclick: open,
  }, thumbnail(image));
  if (image.score !== null) button.append(scoreChip(image));
  if (image.label) button.append(mark(image));
  return button;
}

let clearing = 0;

// Show a message for 4 s. A screen reader reads it out.
function announce(text) {
  const status = $("status");
  (document.querySelector("dialog[open]") || document.body).append(status);
  status.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => { status.textContent = ""; }, 4000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { "aria-hidden": "true" });
    (document.querySelector("dialog[open]") || document.body).append(field);
    field.value = text;
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    if (!copied) return announce(`The browser does not allow copying. Copy it by hand: ${text}`);
  }
  return announce(`Copied: ${text}`);
}

const copyPath = (image) => copy(shellWord(pathOf(image)));
const copyMove = (image, kind) => copy(moveCommand([image], watchOf(image)[kind]));
