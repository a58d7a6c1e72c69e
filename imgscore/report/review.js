// Labels, said at once and kept by whoever served the page. Only in a review.

let talk = Promise.resolve();

// One after the other: labels arrive in the order in which they were said.
function post(what, body) {
  const answer = talk.then(async () => {
    const found = await fetch(what, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const row = await found.json().catch(() => ({ error: `the review answers with ${found.status}` }));
    if (!found.ok) throw new Error(row.error);
    return row;
  });
  talk = answer.catch(() => {});
  return answer;
}

const undoable = [];

function setLabel(image, said) {
  image.label = said;
  gallery.refresh(image);
  if ($("viewer").open) viewer.tell();
}

async function label(image, said) {
  const before = image.label;
  setLabel(image, said);
  try {
    const row = await post("label", { image: image.number, sha256: image.sha256, label: said });
    take(image, row);
    // What was said before is no label of now, and nothing to take back.
    if (row.number !== null) undoable.push(image);
  } catch (error) {
    setLabel(image, before);
    say(`Not labelled: ${error.message}. Is the review still running?`);
  }
}

async function undoLast() {
  await talk;
  const image = undoable.pop();
  if (!image) return say("There is nothing to undo here.");
  try {
    const row = await post("undo", { image: image.number, sha256: image.sha256 });
    take(image, row);
    if (!row.error) say(`Undone: ${printable(image.name)}`);
  } catch (error) {
    undoable.push(image);
    say(`Not undone: ${error.message}`);
  }
  return null;
}

// Show the label that the store holds now.
function take(image, row) {
  setLabel(image, row.label);
  if (row.error) say(row.error);
  if (row.head && page.head && row.head !== page.head.version && !$("anew")) {
    document.querySelector(".tools").prepend(make("button", { id: "anew", type: "button", onclick: renew },
      `Head ${row.head} has learned: show its order`));
  }
}

async function renew() {
  say("Asking for the new order …");
  try {
    const found = await post("renew", {});
    Object.assign(page, found);
    readImages();
    undoable.length = 0;
    $("anew")?.remove();
    fill();
    say(`The order is head ${page.head.version}'s.`);
  } catch (error) {
    say(`Not renewed: ${error.message}`);
  }
}

async function showNext() {
  const section = $("next");
  head(section, "Next", "Asking which labels would teach most …");
  try {
    const { numbers, error } = await post("next", {});
    const list = numbers.map((number) => images[number]);
    head(section, "Next", error || (list.length
      ? "The images whose label would teach most, the most telling first. Open the first, then k or t for each."
      : "Every image has a label."));
    if (!list.length) return;
    section.append(make("div", { class: "acts" },
      make("button", { type: "button", id: "begin", onclick: () => viewer.open(list, 0) }, "Begin"),
      make("button", { type: "button", onclick: showNext }, "Others")),
    make("div", { class: "row group" }, ...list.map((image) => shot(image, list))));
  } catch (error) {
    head(section, "Next", error.message);
  }
}

// The image that a key is about: the open one, or the chosen one of the gallery.
function reviewKey(event) {
  const open = $("viewer").open;
  if (event.key === "u") return undoLast(), true;
  const said = { k: "keep", t: "trash" }[event.key];
  const image = open ? viewer.image : $("order").hidden ? null : gallery.list[gallery.at];
  if (!said || !image) return false;
  label(image, said);
  if (open && viewer.at < viewer.list.length - 1) viewer.show(viewer.at + 1);
  else if (!open) gallery.go(gallery.at + 1);
  return true;
}
