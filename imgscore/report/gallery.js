// The images in rows of one height, as wide as the window; only those near the window exist.

const gallery = {
  list: [],
  rows: [],
  at: 0,
  tiles: new Map(),
  border: null,

  show(list, divided) {
    const here = this.list[this.at];
    this.list = list;
    this.divided = divided;
    const again = list.indexOf(here);
    this.at = again < 0 ? 0 : again;
    this.layOut();
  },

  layOut() {
    const width = $("list").clientWidth, tall = Number($("size").value), gap = 6;
    const border = this.divided ? this.borderAt() : -1;
    this.rows = [];
    let row = [], across = 0, top = 0;
    const close = (height) => {
      this.rows.push({ top, height, first: row[0].at, boxes: row });
      for (const box of row) box.width *= height;
      top += height + gap;
      row = [];
      across = 0;
    };
    this.border = null;
    this.list.forEach((image, at) => {
      if (at === border) {
        if (row.length) close(Math.min(tall, (width - gap * (row.length - 1)) / across));
        this.border = { top: top + 8, at };
        top += 56;
      }
      const shape = image.width && image.height ? image.width / image.height : 1;
      const ratio = Math.min(2.6, Math.max(0.55, shape));
      row.push({ at, width: ratio });
      across += ratio;
      const height = (width - gap * (row.length - 1)) / across;
      if (height <= tall) close(height);
    });
    if (row.length) close(Math.min(tall, (width - gap * (row.length - 1)) / across));
    $("list").style.height = `${top}px`;
    $("list").hidden = !this.list.length;
    $("nothing").hidden = Boolean(this.list.length);
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.drawBorder();
    this.draw();
  },

  // The first image that the head would rather see gone, in a list that goes by score.
  borderAt() {
    const above = this.list[0]?.score >= 0.5;
    return this.list.findIndex((image) => image.score !== null && image.score >= 0.5 !== above);
  },

  drawBorder() {
    document.querySelector("#gallery .border")?.remove();
    $("border").hidden = !this.border;
    if (!this.border) return;
    const keeps = this.list.filter((image) => image.score >= 0.5).length;
    const unsure = this.list.filter(isUnsure).length;
    const line = make("div", { class: "border" }, make("span", {},
      `${keeps.toLocaleString("en")} above would rather be kept · `,
      make("strong", {}, "the border"),
      ` · ${unsure.toLocaleString("en")} near it are too close to call (±)`));
    line.style.top = `${this.border.top}px`;
    $("gallery").append(line);
  },

  rowOf(at) {
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].first <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  },

  draw() {
    if ($("order").hidden || !this.rows.length) return;
    const top = -$("list").getBoundingClientRect().top - 900, bottom = top + innerHeight + 1800;
    const wanted = new Set();
    let from = this.rows.findIndex((row) => row.top + row.height >= top);
    for (; from >= 0 && from < this.rows.length && this.rows[from].top <= bottom; from += 1) {
      let left = 0;
      for (const box of this.rows[from].boxes) {
        wanted.add(box.at);
        if (!this.tiles.has(box.at)) this.add(box, left, this.rows[from]);
        left += box.width + 6;
      }
    }
    // The chosen one stays, so that a screen reader does not lose it.
    if (this.list.length) wanted.add(this.at);
    for (const [at, tile] of this.tiles) {
      if (!wanted.has(at)) {
        tile.remove();
        this.tiles.delete(at);
      }
    }
    if (!this.tiles.has(this.at)) this.addAt(this.at);
    this.mark();
  },

  addAt(at) {
    const row = this.rows[this.rowOf(at)];
    let left = 0;
    for (const box of row.boxes) {
      if (box.at === at) this.add(box, left, row);
      left += box.width + 6;
    }
  },

  add(box, left, row) {
    const image = this.list[box.at];
    const tile = make("div", {
      id: `tile-${box.at}`, role: "option", class: `tile ${image.label || ""}`, "aria-label": spoken(image),
      "aria-selected": "false", "aria-setsize": this.list.length, "aria-posinset": box.at + 1,
    });
    const picture = make("img", { src: thumbnailOf(image), alt: "", decoding: "async" });
    picture.addEventListener("error", () => { picture.remove(); tile.classList.add("lost"); });
    tile.append(picture, make("span", { class: "name", dir: "auto" }, printable(image.name)), scoreChip(image));
    if (image.label) tile.append(make("span", { class: `mark ${image.label}` }, image.label));
    Object.assign(tile.style, {
      left: `${left}px`, top: `${row.top}px`, width: `${box.width}px`, height: `${row.height}px`,
    });
    tile.addEventListener("click", () => { this.go(box.at); viewer.open(this.list, box.at); });
    this.tiles.set(box.at, tile);
    $("list").append(tile);
  },

  refresh(image) {
    const at = this.list.indexOf(image);
    this.tiles.get(at)?.remove();
    this.tiles.delete(at);
    this.draw();
  },

  mark() {
    for (const [at, tile] of this.tiles) {
      tile.classList.toggle("on", at === this.at);
      tile.setAttribute("aria-selected", String(at === this.at));
    }
    if (this.list.length) $("list").setAttribute("aria-activedescendant", `tile-${this.at}`);
    else $("list").removeAttribute("aria-activedescendant");
  },

  go(at) {
    if (!this.list.length) return;
    this.at = Math.min(this.list.length - 1, Math.max(0, at));
    const row = this.rows[this.rowOf(this.at)];
    const start = $("list").getBoundingClientRect().top + scrollY + row.top;
    const head = document.querySelector(".top").getBoundingClientRect();
    const cover = Math.max(0, head.bottom) + 12;
    if (start < scrollY + cover) scrollTo(0, start - cover);
    else if (start + row.height > scrollY + innerHeight - 12) scrollTo(0, start + row.height - innerHeight + 12);
    this.draw();
  },

  // Up and down: the image of the neighbouring row that lies under the middle of this one.
  step(rows) {
    const here = this.rowOf(this.at);
    const there = Math.min(this.rows.length - 1, Math.max(0, here + rows));
    const middle = (row, at) => {
      let left = 0;
      for (const box of row.boxes) {
        if (box.at === at) return left + box.width / 2;
        left += box.width + 6;
      }
      return 0;
    };
    const wanted = middle(this.rows[here], this.at);
    const near = this.rows[there].boxes.map((box) => [Math.abs(middle(this.rows[there], box.at) - wanted), box.at]);
    this.go(near.sort((one, other) => one[0] - other[0])[0][1]);
  },

  goToBorder() {
    if (!this.border) return;
    this.go(this.border.at);
    scrollBy(0, this.tiles.get(this.border.at).getBoundingClientRect().top - innerHeight / 2);
    this.draw();
  },

  key(event) {
    const page = Math.max(1, Math.floor((innerHeight - 160) / (Number($("size").value) + 6)));
    const moves = {
      ArrowRight: () => this.go(this.at + 1), ArrowLeft: () => this.go(this.at - 1),
      ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1),
      PageDown: () => this.step(page), PageUp: () => this.step(-page),
      Home: () => this.go(0), End: () => this.go(this.list.length - 1),
      Enter: () => viewer.open(this.list, this.at), " ": () => viewer.open(this.list, this.at),
      b: () => this.goToBorder(),
      "+": () => resize(20), "=": () => resize(20), "-": () => resize(-20),
    };
    if (!moves[event.key] || !this.list.length) return false;
    moves[event.key]();
    return true;
  },
};

function resize(by) {
  $("size").value = Number($("size").value) + by;
  gallery.layOut();
  gallery.go(gallery.at);
}
