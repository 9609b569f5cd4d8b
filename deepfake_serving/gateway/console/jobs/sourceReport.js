/** Report of a live source: the verdict over its windows, and the highest windows. */

import { el, facts } from "../lib/dom.js";
import { plural, timestamp, duration } from "../lib/format.js";
import { saveButtons } from "../lib/download.js";
import { badge, verdictSummary, untrainedWarning, VERDICTS } from "../components/verdicts.js";

const ENDS = {
  source: "The source ended.",
  lost: "The source was unreachable for too long.",
  bound: "It was followed for the longest time that this service allows.",
};

/** @param {Object} a finished job of a live source, with at least one window */
export function sourceReport(job) {
  const { result } = job;
  return el(
    "article",
    {},
    result.warnings.map((note) => el("p", { class: "notice warn" }, note)),
    verdictSummary(result.verdict, result.fake_probability, "is the score of the highest window"),
    result.model ? untrainedWarning(result.model) : null,
    facts([
      ["End", ENDS[result.ended] ?? "It was cancelled or interrupted; the results so far were kept."],
      ["Followed for", duration(result.duration_s)],
      ["Windows", counts(result)],
      ["Not scored", result.problems ? plural(result.problems, "window") : null],
      ["Gaps", result.gaps ? String(result.gaps) : null],
    ]),
    result.worst.length ? highestWindows(result.worst) : null,
    saveButtons("live-verdict", job),
  );
}

function counts({ verdicts }) {
  return Object.entries(verdicts)
    .map(([verdict, count]) => `${count} ${VERDICTS[verdict].label.toLowerCase()}`)
    .join(", ");
}

function highestWindows(windows) {
  const rows = windows.map((window) =>
    el(
      "tr",
      {},
      el("td", {}, `${timestamp(window.start_s)} – ${timestamp(window.end_s)}`),
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
