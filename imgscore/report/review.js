// Labels: shown at once, and stored by the server of the review. Used in a review only.

const lastRequest = { labels: Promise.resolve() };

// Requests of one lane run one after the other: the server gets labels in the order of the keys.
function post(what, body, lane = "labels") {
  const answer = (lastRequest[lane] || Promise.resolve()).then(async () => {
    const response = await fetch(what, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      keepalive: lane === "labels", // the request also succeeds if the user closes the page at once
    });
    // An answer can be cut off: the review may end while it sends it.
    const row = await response.json().catch(() => null);
    if (!response.ok || !row) throw new Error(row?.error || `the server of the review answered ${response.status}`);
    return row;
  });
  lastRequest[lane] = answer.catch(() => {});
  return answer;
}

const undoable = [];

function setLabel(image, value, grade) {
  image.label = value;
  image.grade = grade;
  gallery.refresh(image);
  if ($("viewer").open) viewer.update();
}

async function label(image, value) {
  const before = [image.label, image.grade], grade = gradeOf(value);
  setLabel(image, nameOf(grade), grade);
  try {
    const row = await post("label", { image: image.number, sha256: image.sha256, label: value });
    take(image, row);
    // Without a number, the image had this label already: there is nothing to undo.
    if (row.number !== null) undoable.push(image);
  } catch (error) {
    setLabel(image, ...before);
    announce(`Could not set the label: ${error.message}. Is the review still running?`);
  }
}

async function undoLast() {
  await lastRequest.labels;
  const image = undoable.pop();
  if (!image) return announce("There is nothing to undo.");
  try {
    const row = await post("undo", { image: image.number, sha256: image.sha256 });
    take(image, row);
    if (!row.error) announce(`Undone: ${printable(image.name)}`);
  } catch (error) {
    undoable.push(image);
    announce(`Could not undo: ${error.message}`);
  }
  return null;
}

// Show the label that the store holds now.
function take(image, row) {
  setLabel(image, row.label, row.grade ?? null);
  if (row.error) announce(row.error);
}

// ---- new orders: the server answers when there is one, or after a while

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

async function awaitOrders() {
  for (let known = page.version; ;) {
    await visible();
    try {
      const response = await fetch(`order/${encodeURIComponent(known)}`);
      if (!response.ok) throw new Error(response.status);
      const { version } = await response.json();
      if (version !== known) offer(version);
      known = version;
    } catch {
      await pause(5);
    }
  }
}

// The strip at the bottom always has its place: nothing moves when the offer appears.
function offer(version) {
  const [head] = version.split("-");
  const isNew = version !== page.version;
  $("renew").hidden = !isNew;
  $("offer").textContent = !isNew ? "" : head !== page.version.split("-")[0]
    ? `There is a new order, from head ${head}.` : "Images were added or removed.";
}

async function renew() {
  announce("Loading the new order …");
  try {
    Object.assign(page, await post("renew", {}));
    readImages();
    undoable.length = 0;
    offer(page.version);
    fill();
    announce(page.head ? `This is the order of head ${page.head.version}.` : "There is no head yet.");
  } catch (error) {
    announce(`Could not load the new order: ${error.message}`);
  }
}

async function showNext() {
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
    head(section, "Next", error.message);
  }
}

// Find images by words. The results stay until the next search.
function showSearch() {
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
      count.textContent = error.message;
    }
  });
  section.append(form, count, results);
  words.focus();
}

// Handle a key of the review. It acts on the open image, or on the selected one of the gallery.
function reviewKey(event) {
  const open = $("viewer").open;
  if (event.key === "u") return undoLast(), true;
  const value = { k: "keep", t: "trash", x: "reject" }[event.key] || (/^[1-5]$/.test(event.key) ? event.key : null);
  const image = open ? viewer.image : $("order").hidden ? null : gallery.list[gallery.at];
  if (!value || !image) return false;
  label(image, value);
  if (open && viewer.at < viewer.list.length - 1) viewer.show(viewer.at + 1);
  else if (!open) gallery.go(gallery.at + 1);
  return true;
}
