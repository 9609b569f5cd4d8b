/** What was found in a live source: the verdict over its windows, and the highest of them. */

import { el, facts } from "./dom.js";
import { many, moment, span } from "./format.js";
import { saveButtons } from "./save.js";
import { badge, finding, untrainedWarning, VERDICTS } from "./verdicts.js";

const ENDS = {
  source: "The source ended.",
  lost: "The source was out of reach for too long.",
  bound: "It was followed for as long as this service follows a source.",
};

/** @param {Object} job of a live source that has ended with at least one window */
export function broadcast(job) {
  const { result } = job;
  return el(
    "article",
    {},
    result.warnings.map((note) => el("p", { class: "notice warn" }, note)),
    finding(result.verdict, result.fake_probability, "is the score of the highest window"),
    result.model ? untrainedWarning(result.model) : null,
    facts([
      ["End", ENDS[result.ended] ?? "It was cancelled, or broke off; what had been found was kept."],
      ["Followed for", span(result.duration_s)],
      ["Windows", counts(result)],
      ["Not judged", result.problems ? many(result.problems, "window") : null],
      ["Gaps", result.gaps ? String(result.gaps) : null],
    ]),
    result.worst.length ? highest(result.worst) : null,
    saveButtons("live-verdict", job),
  );
}

function counts({ verdicts }) {
  return Object.entries(verdicts)
    .map(([verdict, count]) => `${count} ${VERDICTS[verdict].word.toLowerCase()}`)
    .join(", ");
}

function highest(windows) {
  const rows = windows.map((window) =>
    el(
      "tr",
      {},
      el("td", {}, `${moment(window.start_s)} – ${moment(window.end_s)}`),
      el("td", {}, badge(window.verdict, window.fake_probability)),
    ),
  );
  return el(
    "section",
    {},
    el("h2", {}, "Highest windows"),
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), el("th", { scope: "col" }, "Verdict"))),
      el("tbody", {}, rows),
    ),
  );
}
