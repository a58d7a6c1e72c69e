// The other parts: suspects, near-duplicates, failures, and how well it has learned.

const PART = 40;

// Make the children of a long list as they are scrolled to.
function grow(section, items, build) {
  let done = 0;
  const end = make("div");
  section.append(end);
  const more = () => {
    for (const item of items.slice(done, done + PART)) end.before(build(item));
    done += PART;
    if (done >= items.length) watcher.disconnect();
  };
  const watcher = new IntersectionObserver((seen) => { if (seen[0].isIntersecting) more(); }, { rootMargin: "1200px" });
  more();
  watcher.observe(end);
}

function head(section, title, lead) {
  section.replaceChildren(make("h2", {}, title), make("p", { class: "lead" }, lead));
}

function showSuspects() {
  const section = $("suspects");
  head(section, "Suspects", page.suspects.length
    ? "Labels that the rest of your library contradicts, the best evidence first: perhaps slips of the hand. Beside each, the images with the other label that are most like it."
    : page.unlearned || "No label is contradicted by the others.");
  grow(section, page.suspects, suspectCard);
}

function suspectCard(suspect) {
  const image = images[suspect.image], other = suspect.label === "keep" ? "trash" : "keep";
  const near = suspect.neighbours.map((one) => images[one.image]), list = [image, ...near];
  const card = make("article", { class: "card pair" },
    shot(image, list, "doubt"),
    make("div", {},
      make("h3", {}, printable(image.name)),
      make("p", { class: "why" }, "labelled ", make("span", { class: `said-${suspect.label}` }, suspect.label),
        `; judged by all other labels, a score of ${scoreText(suspect.score)}. Like it, but `,
        make("span", { class: `said-${other}` }, other), ":"),
      make("div", { class: "row" }, ...near.map((one, at) => make("figure", {}, shot(one, list),
        make("figcaption", {}, `${Math.round(100 * suspect.neighbours[at].similarity)} % alike`)))),
      make("div", { class: "acts" },
        make("button", { type: "button", onclick: () => copyPath(image) }, "Copy the path"),
        watchOf(image)[other] && make("button", { type: "button", onclick: () => copyMove(image, other) },
          "Copy ", make("code", {}, "mv"), ` to ${other}`) || "",
        page.review ? make("button", { type: "button", class: other, onclick: () => label(image, other) }, `It is ${other}`) : "")));
  return card;
}

function showGroups() {
  const section = $("groups");
  head(section, "Near-duplicates", page.groups.length
    ? `Images that are nearly the same, the best of each group first: by score, then by pixels and bytes.${page.compared < images.length && page.compared >= 20000 ? ` Sought among the best ${page.compared}.` : ""}`
    : "No two images here are nearly the same.");
  grow(section, page.groups, groupCard);
}

const GROUP_SHOWN = 12;

function groupCard(group) {
  const list = group.map((number) => images[number]), rest = list.slice(1).filter((one) => one.place === "inbox");
  const figure = (image, at) => make("figure", {}, shot(image, list, at ? "" : "best"),
    make("figcaption", {}, at ? "" : "best · ", [image.width && `${image.width} × ${image.height}`, sizeText(image.bytes)].filter(Boolean).join(", ")));
  const trash = watchOf(list[0]).trash;
  const row = make("div", { class: "row" }, ...list.slice(0, GROUP_SHOWN).map(figure));
  if (list.length > GROUP_SHOWN) {
    row.append(make("button", { type: "button", onclick: (event) => event.target.replaceWith(...list.slice(GROUP_SHOWN).map((one) => figure(one, 1))) },
      `${list.length - GROUP_SHOWN} more`));
  }
  return make("article", { class: "card group" },
    make("h3", {}, `${list.length} alike: ${printable(list[0].name)}`), row,
    make("div", { class: "acts" },
      make("button", { type: "button", onclick: () => copy(list.slice(1).map((one) => shellWord(pathOf(one))).join(" ")) }, "Copy the paths of the others"),
      rest.length && trash ? make("button", { type: "button", onclick: () => copy(moveCommand(rest, trash)) }, "Copy ", make("code", {}, "mv"), " of the others to trash") : ""));
}

function showFailures() {
  const section = $("failures");
  head(section, "Failures", page.failures.length ? "Files that could not be looked at. Each is tried again when it changes." : "Every file could be looked at.");
  if (!page.failures.length) return;
  const names = ["File", "Why", "What to do"];
  section.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Files" }, make("table", {},
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...page.failures.map((one) => make("tr", {},
      make("td", {}, printable(one.path)), make("td", {}, printable(one.reason)), make("td", {}, printable(one.remedy))))))));
}

function showLearning() {
  const measured = document.querySelector(".figures").children.length > 0;
  $("learned").textContent = measured ? page.learned : page.unlearned || "Nothing was measured yet.";
  $("learned").className = "lead";
}
