/** Report of a live source: the verdict over its windows, and the highest windows. */

import { feedbackButton } from "../components/feedback.js";
import { untrainedWarning, verdictSummary } from "../components/finding.js";
import { badge, verdictLabel } from "../components/verdicts.js";
import { warningNotice } from "../components/warnings.js";
import { el, facts } from "../lib/dom.js";
import { saveButtons } from "../lib/download.js";
import { duration, timestamp } from "../lib/format.js";
import { hasText, t } from "../messages.js";

/** @param {Object} job a finished job of a live source, with at least one window */
export function sourceReport(job, scale) {
  const { result } = job;
  return el(
    "article",
    {},
    result.warnings.map(warningNotice),
    verdictSummary(result, t("subject.window"), scale),
    feedbackButton({ id: job.id, verdict: result.verdict, name: job.source.name }, false),
    result.model ? untrainedWarning(result.model) : null,
    facts([
      [t("source.end"), t(hasText(`source.end.${result.ended}`) ? `source.end.${result.ended}` : "source.end.other")],
      [t("source.duration"), duration(result.duration_s)],
      [t("source.windows"), counts(result)],
      [t("source.unscored"), result.problems ? t("windows", { count: result.problems }) : null],
      [t("source.gaps"), result.gaps ? String(result.gaps) : null],
    ]),
    result.worst.length ? highestWindows(result.worst) : null,
    saveButtons(job.source.name, job),
  );
}

function counts({ verdicts }) {
  return Object.entries(verdicts)
    .map(([verdict, count]) => `${count} ${verdictLabel(verdict).toLowerCase()}`)
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
    el("h2", {}, t("source.highest")),
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el("tr", {}, el("th", { scope: "col" }, t("batch.time")), el("th", { scope: "col" }, t("batch.verdict"))),
      ),
      el("tbody", {}, rows),
    ),
  );
}
