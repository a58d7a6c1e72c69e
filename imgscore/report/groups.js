// The tab Groups: the images of one group side by side, and one key for each decision. A report
// shows only the cards.

import { images, labelTexts, page, printable } from "./data.js";
import { $, $button, announce, make, thumbnail } from "./elements.js";
import { groupTitle, loadGroups, showCards } from "./group_cards.js";
import { factsOf } from "./group_facts.js";
import { frameOf, keepLoaded, listenToStage, preload, zoom } from "./group_stage.js";
import { setLabel } from "./labels.js";
import { messageOf, post } from "./server.js";

/** @typedef {import("./data.js").Image} Image */
/** @typedef {import("./types").Group} Group */
/** @typedef {"keep" | "keep-all" | "trash-all" | "leave"} Act */
/**
 * A decision of this review, for undo. `numbers`: the numbers of its labels in the log.
 * @typedef {{ group: string, act: Act, numbers: Promise<number[]> }} Decision
 */

// How far a key moves the zoomed images, as a part of a frame.
const PAN = 0.15;

/** @type {Record<string, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @type {WeakMap<Group, string>} */
const keys = new WeakMap();

/**
 * The key of a group. It does not change when the images get a new order.
 * @param {Group} group
 */
function keyOf(group) {
  const known = keys.get(group) || [...group.images.map((number) => images[number].sha256)].sort()[0];
  keys.set(group, known);
  return known;
}

/** @param {Group} group */
const membersOf = (group) => group.images.map((number) => images[number]);

export const groupWalk = {
  /** @type {Group[]} the groups that can be decided: copies share one label */
  list: [],
  at: 0,
  /** the image that the key k keeps, as a position in the group */
  picked: 0,
  /** the image that takes turns with the best one; 0: the images are side by side */
  flicker: 0,
  isOpen: false,
  /** @type {Set<string>} the groups that the user has left as they are */
  left: new Set(),
  /** @type {Decision[]} */
  decisions: [],

  // Show the tab. After a new order, the images have other numbers.
  async begin() {
    if (!page.review) {
      $("group-walk").hidden = true;
      return showCards($("group-cards"), null);
    }
    $("group-walk").hidden ||= !page.groups;
    if (!await loadGroups($("group-cards"))) return null;
    const current = this.list.length && this.isOpen ? this.current : "";
    this.list = (page.groups || []).filter((group) => group.kind !== "copies");
    this.at = Math.max(0, this.list.findIndex((group) => keyOf(group) === current));
    this.showList(!this.isOpen);
    if (this.list.length && !this.isOpen && !$("groups").hidden) $("groups-begin").focus({ preventScroll: true });
    return null;
  },

  // The key of the present group. It stays known when a new order replaces the images.
  current: "",

  get group() {
    return this.list[this.at];
  },

  /** @param {Group} group */
  isDecided(group) {
    return this.left.has(keyOf(group)) || group.images.every((number) => images[number].label);
  },

  /** @param {boolean} isList whether to show the cards of all groups */
  showList(isList) {
    this.isOpen = !isList && this.list.length > 0;
    document.body.toggleAttribute("data-walk", this.isOpen);
    $("group-walk").hidden = !this.isOpen;
    $("group-cards").hidden = this.isOpen;
    if (this.isOpen) this.open(this.at);
    else {
      showCards($("group-cards"), (group) => this.start(group));
      const open = this.list.filter((group) => !this.isDecided(group)).length;
      if (this.list.length) {
        const text = open ? `${open.toLocaleString("en")} of ${this.list.length.toLocaleString("en")} groups have an image without a label.` : "Every image of these groups has a label.";
        const copies = (page.groups || []).length - this.list.length;
        const more = copies ? ` Copies share one label, so the ${copies.toLocaleString("en")} groups of copies are only listed.` : "";
        $("group-cards").querySelector(".lead")?.after(make("div", { class: "acts", id: "group-start" },
          make("button", { type: "button", id: "groups-begin", onclick: () => this.start(this.list.find((group) => !this.isDecided(group)) || this.list[0]) }, "Side by side"),
          make("span", {}, text + more)));
      }
    }
  },

  /** @param {Group} group */
  start(group) {
    this.at = this.list.indexOf(group);
    this.showList(false);
    scrollTo(0, 0);
  },

  // Draw again: labels may have changed in another tab.
  resume() {
    document.body.toggleAttribute("data-walk", this.isOpen);
    if (this.isOpen) this.draw();
  },

  /** @param {number} at */
  open(at) {
    this.at = at;
    this.current = keyOf(this.group);
    this.flicker = 0;
    // An image that the user has already kept is the one to keep.
    this.picked = Math.max(0, membersOf(this.group).findIndex((image) => image.label === "keep"));
    this.draw();
    zoom.set(1, 0, 0);
    $("group-stage").focus({ preventScroll: true }); // not a button: the space bar leaves the group
    this.loadNext();
  },

  // Decode the images of the next group when those of this group are decoded.
  async loadNext() {
    const { at } = this, next = this.following(1);
    const now = this.shown(this.group, this.picked), later = next === null ? [] : this.shown(this.list[next], 0);
    keepLoaded([...membersOf(this.group), ...later]);
    await preload(now);
    if (this.at === at && this.isOpen) await preload(later);
  },

  /**
   * The next or previous group that is not decided; null if there is none.
   * @param {1 | -1} step
   */
  following(step) {
    const count = this.list.length;
    for (let far = 1; far < count; far += 1) {
      const at = (this.at + step * far + count * far) % count;
      if (!this.isDecided(this.list[at])) return at;
    }
    return null;
  },

  // The number of images that fit side by side.
  room() {
    return innerWidth < 720 || innerHeight < 480 ? 2 : innerWidth < 1500 ? 4 : 6;
  },

  /**
   * The positions of the images on the screen: all, or the best one and a part of the others.
   * @param {Group} group
   * @param {number} picked
   * @returns {number[]}
   */
  positions(group, picked) {
    const all = [...group.images.keys()], room = this.room();
    if (this.flicker) return [picked];
    if (all.length <= room) return all;
    const begin = picked ? 1 + Math.floor((picked - 1) / (room - 1)) * (room - 1) : 1;
    return [0, ...all.slice(begin, begin + room - 1)];
  },

  /**
   * @param {Group} group
   * @param {number} picked
   * @returns {Image[]}
   */
  shown(group, picked) {
    const members = membersOf(group);
    return this.positions(group, picked).map((at) => members[at]);
  },

  draw() {
    const { group } = this, members = membersOf(group), stage = $("group-stage");
    const decided = this.list.filter((other) => this.isDecided(other)).length;
    $("group-title").textContent = `Group ${(this.at + 1).toLocaleString("en")} of ${this.list.length.toLocaleString("en")}: ${groupTitle(group)}`;
    $("group-why").textContent = group.why;
    $("group-count").textContent = `${decided.toLocaleString("en")} decided`;
    const positions = this.positions(group, this.picked);
    stage.replaceChildren(...positions.map((at) => this.member(members, at)));
    stage.classList.toggle("flicker", this.flicker > 0);
    this.layOut();
    $("group-strip").hidden = positions.length === members.length && !this.flicker;
    $("group-strip").replaceChildren(...($("group-strip").hidden ? [] : members.map((image, at) => this.small(image, at))));
    $("group-strip").querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    $("group-flicker").setAttribute("aria-pressed", String(this.flicker > 0));
    $button("group-side").disabled = !this.flicker;
    $button("group-undo").disabled = !this.decisions.length;
  },

  // The window has another size, and other images may fit.
  resize() {
    if (!this.isOpen || $("groups").hidden) return;
    if (this.positions(this.group, this.picked).length === $("group-stage").children.length) this.layOut();
    else this.draw();
  },

  // Choose the number of columns that shows the images largest.
  layOut() {
    const stage = $("group-stage"), count = stage.children.length;
    const { width, height } = stage.getBoundingClientRect();
    const facts = stage.querySelector("figcaption")?.getBoundingClientRect().height || 0;
    const [first] = this.shown(this.group, this.picked), shape = (first.width || 1) / (first.height || 1);
    const sizeAt = (/** @type {number} */ columns) =>
      Math.min(width / columns, (height / Math.ceil(count / columns) - facts) * shape);
    const columns = [...Array(count).keys()].map((at) => at + 1).sort((a, b) => sizeAt(b) - sizeAt(a))[0];
    stage.style.setProperty("--columns", String(columns));
    stage.style.setProperty("--rows", String(Math.ceil(count / columns)));
    zoom.set(zoom.scale, zoom.x, zoom.y);
  },

  /**
   * @param {Image[]} members
   * @param {number} at
   */
  member(members, at) {
    const image = members[at], isPicked = at === this.picked;
    const spoken = [`Image ${at + 1} of ${members.length}: ${printable(image.name)}`, at ? "" : "proposed as the best",
      image.label ? `labelled ${labelTexts(image)[1]}` : ""].filter(Boolean).join(", ");
    const frame = frameOf(image).element;
    return make("figure", { class: isPicked ? "member picked" : "member" },
      make("button", { type: "button", class: "choice", "aria-pressed": String(isPicked), "aria-label": spoken, onclick: () => this.pick(at) },
        frame, make("kbd", {}, String(at + 1)), at ? "" : make("span", { class: "proposal" }, "best"),
        image.label ? make("span", { class: `mark ${image.label}` }, labelTexts(image)[0]) : ""),
      make("figcaption", {}, make("bdi", { class: "member-name" }, printable(image.name)), factsOf(this.group, members, at)));
  },

  /**
   * @param {Image} image
   * @param {number} at
   */
  small(image, at) {
    const spoken = `Image ${at + 1}: ${printable(image.name)}${image.label ? `, labelled ${labelTexts(image)[1]}` : ""}`;
    const isPicked = String(at === this.picked);
    return make("button", { type: "button", class: `small ${image.label || ""}`, "aria-pressed": isPicked, "aria-label": spoken, onclick: () => this.pick(at) },
      thumbnail(image));
  },

  /** @param {number} at */
  pick(at) {
    const count = this.group.images.length;
    this.picked = (at + count) % count;
    if (this.flicker && this.picked) this.flicker = this.picked;
    this.draw();
    $("group-stage").focus({ preventScroll: true });
    preload(this.shown(this.group, this.picked));
  },

  // Show the best image and another one in turn, at the same place.
  swap() {
    if (this.flicker) this.picked = this.picked ? 0 : this.flicker;
    else this.flicker = this.picked || 1;
    this.draw();
    const members = membersOf(this.group);
    preload([members[0], members[this.flicker]]);
  },

  sideBySide() {
    this.flicker = 0;
    this.draw();
  },

  /** @param {1 | -1} step */
  walk(step) {
    this.open((this.at + step + this.list.length) % this.list.length);
  },

  /**
   * Decide the group, and show the next one.
   * @param {Act} act
   */
  decide(act) {
    const { group } = this, members = membersOf(group);
    const before = members.map((image) => image.grade);
    /** @type {Promise<number[]>} */
    let numbers = Promise.resolve([]);
    if (act === "leave") this.left.add(keyOf(group));
    else {
      members.forEach((image, at) => {
        const name = act === "keep-all" || (act === "keep" && at === this.picked) ? "keep" : "trash";
        if (image.label !== name) setLabel(image, name === "keep" ? 1 : 0);
      });
      const picked = members[this.picked];
      numbers = this.send({ image: picked.number, sha256: picked.sha256, size: members.length, act }).catch((error) => {
        members.forEach((image, at) => setLabel(image, before[at]));
        this.decisions = this.decisions.filter((decision) => decision !== entry);
        announce(`Could not set the labels: ${messageOf(error)}. Is the review still running?`);
        if (this.isOpen) this.draw();
        return [];
      });
    }
    const entry = { group: keyOf(group), act, numbers };
    this.decisions.push(entry);
    const next = this.following(1);
    if (next !== null) this.open(next);
    else {
      this.draw();
      announce("Every group is decided. To move the files later: imgscore apply");
    }
  },

  /** @param {object} body */
  async send(body) {
    const answer = await post("group", body);
    this.take(answer);
    return answer.numbers;
  },

  /**
   * Show the labels that the store holds now.
   * @param {import("./types").GroupAnswer} answer
   */
  take({ labels }) {
    const rows = new Map(labels.map((row) => [row.sha256, row]));
    for (const image of images) {
      const row = rows.get(image.sha256);
      if (row && row.grade !== image.grade) setLabel(image, row.grade);
    }
    const problem = labels.find((row) => row.error)?.error;
    if (problem) announce(problem);
    if (this.isOpen) this.draw();
    return !problem;
  },

  // Undo the last decision of this review, and show its group again.
  async undo() {
    const last = this.decisions.pop();
    if (!last) return announce("There is nothing to undo.");
    try {
      const numbers = await last.numbers;
      const isDone = !numbers.length || this.take(await post("ungroup", { numbers }));
      this.left.delete(last.group);
      if (isDone) announce("Undone: you can decide again.");
    } catch (error) {
      this.decisions.push(last);
      announce(`Could not undo: ${messageOf(error)}`);
    }
    const at = this.list.findIndex((group) => keyOf(group) === last.group);
    if (this.isOpen && at >= 0) this.open(at);
    else if (!$("groups").hidden) this.showList(true);
    return null;
  },

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.isOpen) return event.key === "u" && (this.undo(), true);
    const direction = DIRECTIONS[event.key], shown = this.shown(this.group, this.picked);
    /** @type {Record<string, () => unknown>} */
    const repeatable = {
      "+": () => zoom.to(zoom.scale * 1.4), "=": () => zoom.to(zoom.scale * 1.4), "-": () => zoom.to(zoom.scale / 1.4),
      0: () => zoom.set(1, 0, 0), f: () => this.swap(), PageDown: () => this.walk(1), PageUp: () => this.walk(-1),
    };
    /** @type {Record<string, () => unknown>} */
    const once = {
      k: () => this.decide("keep"), Enter: () => this.decide("keep"), a: () => this.decide("keep-all"), t: () => this.decide("trash-all"),
      " ": () => this.decide("leave"), u: () => this.undo(), z: () => zoom.toggle(shown), o: () => this.showList(true),
    };
    const at = Number(event.key) - 1;
    if (direction && event.shiftKey) zoom.pan(-PAN * direction[0], -PAN * direction[1]);
    else if (direction) this.pick(this.picked + direction[0] + direction[1]);
    else if (at >= 0 && at < this.group.images.length) this.pick(at);
    else if (event.key === "Escape") {
      if (this.flicker) this.sideBySide();
      else this.showList(true);
    } else if (repeatable[event.key]) repeatable[event.key]();
    else if (!once[event.key]) return false;
    else if (!event.repeat) once[event.key]();
    return true;
  },

  listen() {
    /** @type {Record<string, () => unknown>} */
    const actions = {
      "group-keep": () => this.decide("keep"), "group-keep-all": () => this.decide("keep-all"), "group-trash-all": () => this.decide("trash-all"),
      "group-leave": () => this.decide("leave"), "group-undo": () => this.undo(), "group-flicker": () => this.swap(),
      "group-zoom": () => zoom.toggle(this.shown(this.group, this.picked)), "group-previous": () => this.walk(-1), "group-next": () => this.walk(1),
      "group-list": () => this.showList(true), "group-side": () => this.sideBySide(),
    };
    for (const [id, action] of Object.entries(actions)) {
      $(id).onclick = (event) => {
        action();
        if (event.detail && this.isOpen) $("group-stage").focus({ preventScroll: true });
      };
    }
    listenToStage(() => this.shown(this.group, this.picked));
    new ResizeObserver(() => requestAnimationFrame(() => this.resize())).observe($("group-stage"));
  },
};
