// Start the page: tabs, filters and keys.

import { compare } from "./compare.js";
import { filteredImages, images, page, printable, watchAt, watchOf } from "./data.js";
import {
  $, $details, $dialog, $input, $select, copyMove, copyPath, make,
} from "./elements.js";
import { gallery } from "./gallery.js";
import { groupWalk } from "./groups.js";
import { reviewKey } from "./labels.js";
import { showNext } from "./next.js";
import { awaitOrders, renew } from "./orders.js";
import { showProgress } from "./progress.js";
import { showSearch } from "./search.js";
import { openFolder, viewer } from "./viewer.js";
import { showFailures, showLearning, showSuspects } from "./views.js";

/**
 * The tabs: id, title, the number beside the title or null, and what shows the tab.
 * @type {[string, string, () => number | null, (() => void) | null][]}
 */
const ALL_TABS = [
  ["order", "Order", () => images.filter((image) => image.place === "inbox").length, null],
  ["next", "Next", () => null, showNext],
  ["compare", "Compare", () => null, () => compare.begin()],
  ["search", "Search", () => null, showSearch],
  ["suspects", "Suspects", () => (page.review ? null : page.suspects.length), showSuspects],
  ["groups", "Groups", () => page.group_count, () => groupWalk.begin()],
  ["failures", "Failures", () => page.failures.length, showFailures],
  ["learning", "Learning", () => null, showLearning],
];
const TABS = ALL_TABS.filter(([id]) => page.review || !["next", "compare", "search"].includes(id));
const KEYS = [
  ["← → ↑ ↓", "select another image"], ["Enter", "open"], ["Esc", "close"], ["+ − 0", "larger, smaller, fit"], ["z", "1:1 or fit; the wheel and two fingers zoom, too"],
  ["Shift ← → ↑ ↓", "move the zoomed image"],
  ["b", "jump to the undecided images"], ["c", "copy the path"], ["m, d", "copy the command that moves the image to keep/ or trash/"],
  ["/", "search for a name"], ["p, n", "previous or next tab"], ["?", "show these keys"],
];
/** @type {Set<string>} the tabs that show the present data */
let built = new Set();

/** @returns {import("./data.js").Filters} */
const filters = () => ({
  name: $input("name").value, folder: $select("folder").value, place: $select("place").value,
  label: $select("label").value, sort: $select("sort").value, low: Number($input("low").value),
  high: Number($input("high").value),
});

// Without a daemon, a training does not score the images.
function unscoredText() {
  if (!page.head || !images.length || images.some((image) => image.score !== null)) return "";
  return `, and head ${page.head.version} has scored none of them yet. Run: imgscore start, or imgscore scan`;
}

function filter() {
  const now = filters(), list = filteredImages(now);
  gallery.show(list, now.sort === "best" || now.sort === "worst");
  $("count").textContent = `${list.length.toLocaleString("en")} of ${images.length.toLocaleString("en")} images${unscoredText()}`;
  [...$("bars").children].forEach((bar, at, all) =>
    bar.classList.toggle("in", (at + 1) / all.length > now.low && at / all.length <= now.high));
  $("low").setAttribute("aria-valuetext", now.low.toFixed(2));
  $("high").setAttribute("aria-valuetext", now.high.toFixed(2));
}

function fillBars() {
  const counts = new Array(50).fill(0);
  for (const image of images) {
    if (image.place === "inbox" && image.score !== null) counts[Math.min(49, Math.floor(image.score * 50))] += 1;
  }
  const most = Math.max(1, ...counts);
  $("bars").replaceChildren(...counts.map((count, at) => {
    const bar = make("i");
    bar.style.height = `${count ? Math.max(4, 100 * Math.sqrt(count / most)) : 0}%`;
    bar.style.setProperty("--bar", `color-mix(in oklab, var(--keep) ${2 * at}%, var(--trash))`);
    return bar;
  }));
}

// Every folder that holds images, and those above it up to the inbox, shown from the inbox on.
function fillFolders() {
  const found = new Set();
  for (const path of page.folders) {
    const { inbox } = watchAt(path);
    for (let folder = path; folder.startsWith(`${inbox}/`); folder = folder.slice(0, folder.lastIndexOf("/"))) found.add(folder);
    if (page.watches.length > 1) found.add(inbox);
  }
  const shown = (/** @type {string} */ folder) =>
    (page.watches.length > 1 ? folder : folder.slice(page.watches[0].inbox.length + 1));
  $("folder").replaceChildren(make("option", { value: "" }, "all"),
    ...[...found].sort().map((folder) => make("option", { value: folder }, printable(shown(folder)))));
}

/** @param {string} name */
function show(name) {
  for (const [id] of TABS) $(id).hidden = id !== name;
  document.body.dataset.tab = name;
  for (const tab of $("tabs").querySelectorAll("button")) {
    if (tab.value === name) {
      tab.setAttribute("aria-current", "page");
      tab.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone, the tabs scroll
    } else tab.removeAttribute("aria-current");
  }
  const build = TABS.find((tab) => tab[0] === name)?.[3];
  if (build && !built.has(name)) {
    built.add(name);
    build();
  }
  scrollTo(0, 0);
  if (name === "groups") groupWalk.resume();
  if (name === "order") gallery.layOut();
}

function fill() {
  const shown = TABS.find(([id]) => !$(id).hidden)?.[0] || "order";
  built = new Set();
  $("tabs").replaceChildren(...TABS.map(([id, title, count]) => {
    const number = count();
    return make("button", { type: "button", value: id, onclick: () => show(id) }, title,
      number === null ? "" : make("span", { class: "number" }, number.toLocaleString("en")));
  }));
  $("about").textContent = page.about;
  document.body.classList.toggle("no-head", !page.head);
  fillBars();
  fillFolders();
  filter();
  show(shown);
}

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"}`);
}

function remembered() {
  try {
    return localStorage.getItem("imgscore-theme");
  } catch {
    return null; // some browsers store nothing for file: pages
  }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(remembered() || (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!remembered()) setTheme(dark.matches ? "dark" : "light"); });
$("theme").onclick = () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  setTheme(theme);
  try {
    localStorage.setItem("imgscore-theme", theme);
  } catch { /* as above */ }
};

function help() {
  $dialog("help").showModal(); // the focus is on the button, and scrolls the list to its end
  $dialog("help").scrollTop = 0;
}
$("help-button").onclick = help;
if (page.review) {
  KEYS.splice(3, 0, ["k, t", "give the label keep or trash"], ["1 … 5", "give stars"],
    ["x", "reject, which is the label trash"], ["u", "undo the last label"],
    ["e", "show why an open image has its score"], ["o", "open the folder of the open image"]);
  KEYS.push(["← →", "Compare: the better image; of four images: 1 … 4"], ["s", "Compare: the same"],
    ["space", "Compare: skip"], ["f", "Compare: two or four images"],
    ["k", "Groups: keep the chosen image, and trash the others"], ["a, t, space", "Groups: keep all, trash all, or leave the group as it is"],
    ["f", "Groups: show the best image and another one in turn"], ["z, Shift + arrows", "Groups: 1:1, and move the images"],
    ["PageUp, PageDown, o", "Groups: previous or next group, all groups"]);
} else KEYS.push([`1 … ${TABS.length}`, "switch the tab"]);
$("keys").append(...KEYS.flatMap(([key, what]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)]));
$("labelling").hidden = !page.review;
$("strip").hidden = !page.review;
$("report-hint").hidden = page.review;
$("open-folder").hidden = !page.review;
document.body.classList.toggle("review", page.review);
$("renew").onclick = () => renew(fill);
$("label-keep").onclick = () => reviewKey({ key: "k" });
$("label-trash").onclick = () => reviewKey({ key: "t" });
$("undo").onclick = () => reviewKey({ key: "u" });
for (const button of $("stars").querySelectorAll("button")) button.onclick = () => reviewKey({ key: button.value });

/** @type {Record<string, number>} */
const TAB_STEPS = { n: 1, p: -1 };

/**
 * The tab that a key shows. In a review, the digits give stars.
 * @param {string} key
 */
function tabOf(key) {
  const at = TABS.findIndex(([id]) => !$(id).hidden), step = TAB_STEPS[key];
  if (step) return TABS[(at + step + TABS.length) % TABS.length];
  return page.review ? undefined : TABS[Number(key) - 1];
}

function toggleReasons() {
  const part = $details("reasons");
  if (!part.hidden) part.open = !part.open;
}

function findName() {
  $details("more").open = true;
  $("name").focus();
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  const typing = target.closest("input:not([type=range]), select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $dialog("help").open) return;
  const control = target.closest("button, summary, input");
  if (control && [" ", "Enter"].includes(event.key)) return;
  if (target.matches("input[type=range]") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
  const open = $dialog("viewer").open, inOrder = !open && !$("order").hidden;
  const comparing = !open && !$("compare").hidden, grouping = !open && page.review && !$("groups").hidden;
  const image = open ? viewer.image : inOrder ? gallery.list[gallery.at] : null;
  const tab = open ? undefined : tabOf(event.key);
  const handled = (comparing && compare.key(event))
    || (grouping && groupWalk.key(event))
    || (page.review && !comparing && !grouping && reviewKey(event))
    || (open ? viewer.key(event) : inOrder && gallery.key(event))
    || (tab && (show(tab[0]), true))
    || (image && event.key === "c" && (copyPath(image), true))
    || (image && event.key === "m" && watchOf(image).keep && (copyMove(image, "keep"), true))
    || (image && event.key === "d" && watchOf(image).trash && (copyMove(image, "trash"), true))
    || (open && page.review && event.key === "o" && (openFolder(viewer.image), true))
    || (open && page.review && event.key === "e" && (toggleReasons(), true))
    || (event.key === "/" && inOrder && (findName(), true))
    || (event.key === "?" && (help(), true));
  if (handled) event.preventDefault();
}

let frame = 0;
const nextFrame = (/** @type {() => void} */ action) => { cancelAnimationFrame(frame); frame = requestAnimationFrame(action); };
document.addEventListener("keydown", pressed);
addEventListener("scroll", () => gallery.scrolled(), { passive: true });
new ResizeObserver(() => nextFrame(() => gallery.resize())).observe($("gallery"));
$("filters").addEventListener("input", (event) => {
  if (event.target === $("size")) return gallery.layOut();
  const low = $input("low"), high = $input("high");
  if (event.target === low) high.value = String(Math.max(Number(low.value), Number(high.value)));
  if (event.target === high) low.value = String(Math.min(Number(low.value), Number(high.value)));
  return filter();
});
$("filters").addEventListener("reset", () => setTimeout(filter));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("undecided").onclick = () => gallery.jumpToUndecided();
if (innerWidth < 720) $details("more").open = false;
viewer.onClose = (image) => {
  const at = gallery.list.indexOf(image);
  if (!$("order").hidden && at >= 0) gallery.go(at);
};
viewer.listen();
compare.listen();
groupWalk.listen();
for (const [id] of TABS) $(id).hidden = id !== page.tab;
fill();
if (page.review) {
  showProgress();
  awaitOrders();
}
