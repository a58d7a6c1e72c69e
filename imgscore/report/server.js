// Requests to the server of the review.

/** @typedef {import("./types").ImageNumbers} ImageNumbers */
/**
 * The answers of the actions of the server.
 * @typedef {{
 *   label: import("./types").LabelAnswer, undo: import("./types").LabelAnswer,
 *   next: ImageNumbers, search: ImageNumbers, pairs: import("./types").Proposals,
 *   compare: import("./types").Recorded, withdraw: import("./types").Recorded,
 *   explain: import("./types").Explanation, reveal: {},
 *   group: import("./types").GroupAnswer, ungroup: import("./types").GroupAnswer,
 *   renew: Partial<import("./types").PageData>, thumbnails: {},
 *   suspects: import("./types").FoundSuspects, groups: import("./types").FoundGroups,
 * }} Answers
 */

/** @type {Record<string, Promise<unknown>>} */
const lastRequest = {};

/** Wait for the requests that set labels. */
export const settled = () => lastRequest.labels;

/** The text of an error. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Request an action. Requests of one lane run one after the other: the server gets labels in the
 * order of the keys.
 * @template {keyof Answers} K
 * @param {K} what
 * @param {object} body
 * @param {string} lane
 * @returns {Promise<Answers[K]>}
 */
export function post(what, body, lane = "labels") {
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
