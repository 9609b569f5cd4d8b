/** One job by its own address: how far it is, and what came of it. */

import { ask, jobPath } from "./api.js";
import { broadcast } from "./broadcast.js";
import { announce, el, facts } from "./dom.js";
import { ENDED, follow } from "./events.js";
import { bytes, many, span, when } from "./format.js";
import { Problem, problemCard } from "./problems.js";
import { report } from "./report.js";
import { VERDICTS } from "./verdicts.js";

export const STATES = {
  queued: "Waiting",
  running: "Running",
  succeeded: "Done",
  failed: "Failed",
  dead: "Given up",
  cancelled: "Cancelled",
};
const STAGES = {
  queued: "Waiting for its turn",
  fetch: "Fetching the video",
  analyse: "Looking at faces",
  follow: "Following the source",
  store: "Storing the result",
  done: "Done",
};

export function jobPanel() {
  let watching = new AbortController();

  function open(id) {
    watching = new AbortController();
    const { signal } = watching;
    const body = el("div", {}, el("p", { class: "busy", role: "status" }, "Looking up this analysis …"));
    const fail = (error) =>
      signal.aborted || body.replaceChildren(problemCard(error, () => body.replaceWith(open(id))));
    watch(id, body, signal).catch(fail);
    return body;
  }

  return { title: "Analysis of a video", tab: "video", open, close: () => watching.abort() };
}

async function watch(id, body, signal) {
  const first = await ask(jobPath(id), { signal });
  const view = running(first);
  if (!ENDED.includes(first.state)) {
    body.replaceChildren(heading(first), view.element);
    await follow(id, view.show, view.lost, signal);
  }
  const job = ENDED.includes(first.state) ? first : await ask(jobPath(id), { signal });
  body.replaceChildren(heading(job), ended(job));
  if (!ENDED.includes(first.state)) announce(`${job.source.name}: ${STATES[job.state]}`);
}

function heading(job) {
  return el(
    "header",
    { class: "job-heading" },
    el("p", { class: "name" }, job.source.name || job.source.url || job.id),
    el("p", { class: "fine" }, [when(job.created_at), bytes(job.source.bytes)].filter(Boolean).join(" · ")),
  );
}

/** @returns {{element, show(job), lost(problem)}} */
function running(job) {
  const words = el("p", { class: "stage-words", role: "status" });
  const bar = el("progress", { max: 100, "aria-label": "Progress of the analysis" });
  const figures = el("p", { class: "fine" });
  const trouble = el("div");
  const cancel = el(
    "button",
    { type: "button", class: "danger", onclick: () => stop() },
    "Cancel the analysis",
  );
  const element = el(
    "div",
    { class: "card progress-card" },
    words,
    bar,
    figures,
    el("div", { class: "actions" }, cancel),
    trouble,
  );

  function show({ state, progress, attempt }) {
    trouble.replaceChildren();
    const text = (state === "queued" ? STAGES.queued : STAGES[progress.stage]) ?? progress.stage;
    if (words.textContent !== text) words.textContent = text;
    if (progress.percent === null) bar.removeAttribute("value");
    else bar.value = progress.percent;
    figures.textContent = [
      progress.percent === null ? null : `${Math.round(progress.percent)} %`,
      progress.frames ? many(progress.frames, "frame") : null,
      progress.windows ? many(progress.windows, "window") : null,
      progress.verdict ? `now: ${VERDICTS[progress.verdict].word.toLowerCase()}` : null,
      progress.eta_s === null ? null : `about ${span(progress.eta_s)} left`,
      attempt > 1 ? `attempt ${attempt}` : null,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  async function stop() {
    cancel.disabled = true;
    try {
      await ask(jobPath(job.id), { method: "DELETE" });
      words.textContent = "Cancelling …";
    } catch (error) {
      cancel.disabled = false;
      lost(error);
    }
  }

  function lost(problem) {
    trouble.replaceChildren(problemCard(problem));
  }

  show(job);
  return { element, show, lost };
}

function ended(job) {
  if (job.kind === "live" && job.result && ["succeeded", "cancelled"].includes(job.state)) return broadcast(job);
  if (job.state === "succeeded") return report(job);
  if (job.state === "cancelled")
    return el("p", { class: "notice" }, "This analysis was cancelled; nothing was kept of it.");
  const words =
    job.state === "dead" ? "The service tried several times and gave up." : "This video can't be analysed.";
  return el(
    "div",
    {},
    el("p", { class: "notice warn" }, words),
    problemCard(new Problem(job.problem ?? { title: STATES[job.state] })),
    facts([
      ["Attempts", String(job.attempt)],
      ["Id", el("code", {}, job.id)],
    ]),
  );
}
