/** Job panel: one job under its own URL, with its progress and its result. */

import { fetchJson, jobPath } from "../api/client.js";
import { ENDED, follow } from "../api/jobEvents.js";
import { Problem, problemCard } from "../api/problems.js";
import { scaleOf } from "../components/scale.js";
import { announce, el, facts } from "../lib/dom.js";
import { bytes, dateTime } from "../lib/format.js";
import { setTitle } from "../lib/router.js";
import { t } from "../messages.js";
import { videoReport } from "../video/videoReport.js";
import { imageJobReport } from "./imageJobReport.js";
import { jobProgress } from "./jobProgress.js";
import { stateName } from "./jobStates.js";
import { sourceReport } from "./sourceReport.js";

export function jobPanel() {
  let watching = new AbortController();

  function open(id) {
    watching = new AbortController();
    const { signal } = watching;
    const body = el("div", {}, el("p", { class: "busy loading", role: "status" }, t("page.loading")));
    const fail = (error) =>
      signal.aborted || body.replaceChildren(problemCard(error, () => body.replaceWith(open(id))));
    watch(id, body, signal).catch(fail);
    return body;
  }

  return { title: t("job.title"), tab: "video", open, close: () => watching.abort() };
}

async function watch(id, body, signal) {
  const first = await fetchJson(jobPath(id), { signal });
  setTitle(nameOf(first));
  const view = jobProgress(first);
  if (!ENDED.includes(first.state)) {
    body.replaceChildren(heading(first), view.element);
    await follow(id, view.show, view.onError, signal);
  }
  const job = ENDED.includes(first.state) ? first : await fetchJson(jobPath(id), { signal });
  const scale = await scaleOf(job.result?.model);
  if (signal.aborted) return;
  body.replaceChildren(heading(job), await outcome(job, scale));
  if (!ENDED.includes(first.state)) announce(`${nameOf(job)}: ${stateName(job.state)}`);
}

function nameOf(job) {
  return job.source.name || job.source.url || job.id;
}

function heading(job) {
  return el(
    "header",
    { class: "job-heading" },
    el("p", { class: "name" }, nameOf(job)),
    el("p", { class: "fine-print" }, [dateTime(job.created_at), bytes(job.source.bytes)].filter(Boolean).join(" · ")),
  );
}

function outcome(job, scale) {
  if (job.kind === "live" && job.result && ["succeeded", "cancelled"].includes(job.state))
    return sourceReport(job, scale);
  if (job.state === "succeeded") return job.kind === "image" ? imageJobReport(job) : videoReport(job, scale);
  if (job.state === "cancelled") return cancelled(job);
  return el(
    "div",
    {},
    el("p", { class: "notice warn" }, t(job.state === "dead" ? "job.dead" : "job.failed")),
    problemCard(new Problem(job.problem ?? { title: stateName(job.state) })),
    facts([
      [t("job.attempts"), String(job.attempt)],
      [t("details.id"), el("code", {}, job.id)],
    ]),
  );
}

/** Says that there is no result, and what is stored all the same. */
function cancelled({ links }) {
  const stored = links?.media ? ` ${t("job.cancelled-stored")}` : "";
  return el("p", { class: "notice" }, t("job.cancelled") + stored);
}
