/** Job panel: one job under its own URL, with its progress and its result. */

import { fetchJson, jobPath } from "../api/client.js";
import { STAGES, STATES } from "./jobStates.js";
import { sourceReport } from "./sourceReport.js";
import { announce, el, facts } from "../lib/dom.js";
import { ENDED, follow } from "../api/jobEvents.js";
import { bytes, plural, duration, dateTime } from "../lib/format.js";
import { Problem, problemCard } from "../api/problems.js";
import { videoReport } from "../video/videoReport.js";
import { VERDICTS } from "../components/verdicts.js";

export function jobPanel() {
  let watching = new AbortController();

  function open(id) {
    watching = new AbortController();
    const { signal } = watching;
    const body = el("div", {}, el("p", { class: "busy", role: "status" }, "Loading this analysis …"));
    const fail = (error) =>
      signal.aborted || body.replaceChildren(problemCard(error, () => body.replaceWith(open(id))));
    watch(id, body, signal).catch(fail);
    return body;
  }

  return { title: "Analysis of a video", tab: "video", open, close: () => watching.abort() };
}

async function watch(id, body, signal) {
  const first = await fetchJson(jobPath(id), { signal });
  const view = progressView(first);
  if (!ENDED.includes(first.state)) {
    body.replaceChildren(heading(first), view.element);
    await follow(id, view.show, view.onError, signal);
  }
  const job = ENDED.includes(first.state) ? first : await fetchJson(jobPath(id), { signal });
  body.replaceChildren(heading(job), outcome(job));
  if (!ENDED.includes(first.state)) announce(`${job.source.name}: ${STATES[job.state]}`);
}

function heading(job) {
  return el(
    "header",
    { class: "job-heading" },
    el("p", { class: "name" }, job.source.name || job.source.url || job.id),
    el("p", { class: "fine-print" }, [dateTime(job.created_at), bytes(job.source.bytes)].filter(Boolean).join(" · ")),
  );
}

/** @returns {{element, show(job), onError(problem)}} */
function progressView(job) {
  const stage = el("p", { class: "stage-text", role: "status" });
  const bar = el("progress", { max: 100, "aria-label": "Progress of the analysis" });
  const figures = el("p", { class: "fine-print" });
  const errors = el("div");
  const cancel = el(
    "button",
    { type: "button", class: "danger", onclick: () => stop() },
    "Cancel the analysis",
  );
  const element = el(
    "div",
    { class: "card progress-card" },
    stage,
    bar,
    figures,
    el("div", { class: "actions" }, cancel),
    errors,
  );

  function show({ state, progress, attempt }) {
    errors.replaceChildren();
    const text = (state === "queued" ? STAGES.queued : STAGES[progress.stage]) ?? progress.stage;
    if (stage.textContent !== text) stage.textContent = text;
    if (progress.percent === null) bar.removeAttribute("value");
    else bar.value = progress.percent;
    figures.textContent = [
      progress.percent === null ? null : `${Math.round(progress.percent)} %`,
      progress.frames ? plural(progress.frames, "frame") : null,
      progress.windows ? plural(progress.windows, "window") : null,
      progress.verdict ? `now: ${VERDICTS[progress.verdict].label.toLowerCase()}` : null,
      progress.eta_s === null ? null : `about ${duration(progress.eta_s)} left`,
      attempt > 1 ? `attempt ${attempt}` : null,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  async function stop() {
    cancel.disabled = true;
    try {
      await fetchJson(jobPath(job.id), { method: "DELETE" });
      stage.textContent = "Cancelling …";
    } catch (error) {
      cancel.disabled = false;
      onError(error);
    }
  }

  function onError(problem) {
    errors.replaceChildren(problemCard(problem));
  }

  show(job);
  return { element, show, onError };
}

function outcome(job) {
  if (job.kind === "live" && job.result && ["succeeded", "cancelled"].includes(job.state)) return sourceReport(job);
  if (job.state === "succeeded") return videoReport(job);
  if (job.state === "cancelled")
    return el("p", { class: "notice" }, "This analysis was cancelled; nothing of it was stored.");
  const text =
    job.state === "dead" ? "The service tried several times without success." : "This video can't be analysed.";
  return el(
    "div",
    {},
    el("p", { class: "notice warn" }, text),
    problemCard(new Problem(job.problem ?? { title: STATES[job.state] })),
    facts([
      ["Attempts", String(job.attempt)],
      ["Id", el("code", {}, job.id)],
    ]),
  );
}
