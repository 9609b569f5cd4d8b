/** The progress of a running job, and the button that cancels it. */

import { fetchJson, jobPath } from "../api/client.js";
import { asProblem, problemCard } from "../api/problems.js";
import { verdictLabel } from "../components/verdicts.js";
import { el } from "../lib/dom.js";
import { roughly } from "../lib/format.js";
import { t } from "../messages.js";
import { stageName } from "./jobStates.js";

/** @returns {{element, show(job), onError(problem)}} */
export function jobProgress(job) {
  const stage = el("p", { class: "stage-text", role: "status" });
  const bar = el("progress", { max: 100, "aria-label": t("job.progress") });
  const figures = el("p", { class: "fine-print" });
  const errors = el("div");
  const cancel = el("button", { type: "button", class: "danger", onclick: () => stop() }, t("job.cancel"));
  const actions = el("div", { class: "actions" }, cancel);
  const element = el("div", { class: "card progress-card" }, stage, bar, figures, actions, errors);
  let shown = null;

  function show(current) {
    errors.replaceChildren();
    shown = null;
    const text = stageName(current);
    if (stage.textContent !== text) stage.textContent = text;
    const { percent } = current.progress;
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
    figures.textContent = figuresOf(current);
  }

  async function stop() {
    cancel.disabled = true;
    try {
      await fetchJson(jobPath(job.id), { method: "DELETE" });
      stage.textContent = t("job.cancelling");
    } catch (error) {
      cancel.disabled = false;
      onError(error);
    }
  }

  /** Shows a problem once, however often it comes back: each time it would be read out again. */
  function onError(error) {
    const { slug, detail } = asProblem(error);
    if (shown === `${slug} ${detail}`) return;
    shown = `${slug} ${detail}`;
    errors.replaceChildren(problemCard(error));
  }

  show(job);
  return { element, show, onError };
}

function figuresOf({ progress, attempt }) {
  const { percent, frames, windows, verdict, eta_s: eta } = progress;
  return [
    percent === null ? null : `${Math.round(percent)} %`,
    frames ? t("frames", { count: frames }) : null,
    windows ? t("windows", { count: windows }) : null,
    verdict ? t("job.now", { verdict: verdictLabel(verdict).toLowerCase() }) : null,
    eta === null ? null : t("time.left", { time: roughly(eta) }),
    attempt > 1 ? t("job.attempt", { attempt }) : null,
  ]
    .filter(Boolean)
    .join(" · ");
}
