/** Failures: the service's problem details (RFC 9457) in plain words, and advice on what to do. */

import { el } from "../lib/dom.js";
import { hasText, t } from "../messages.js";
import { detailText } from "./problemDetails.js";

export const PREFIX = "urn:problem:deepfake-serving:";
const OF_THE_FILE = [
  "undecodable-media",
  "unsupported-media-type",
  "too-large",
  "too-large-image",
  "too-large-video",
  "too-many-pixels",
  "empty-file",
  "archive",
];

export class Problem extends Error {
  /** @param {{type, title, status, detail, id, retry_after_s}} document */
  constructor(document) {
    super(document.detail ?? document.title);
    this.name = "Problem";
    this.slug = String(document.type ?? "").replace(PREFIX, "");
    this.title = text(`problem.${this.slug}.title`) ?? document.title ?? t("problem.title");
    this.detail = detailText(document.detail ?? "");
    this.status = document.status ?? 0;
    this.id = document.id ?? null;
    this.retryAfter = document.retry_after_s ?? null;
  }

  get advice() {
    return text(`problem.${this.slug}.advice`) ?? t("problem.advice");
  }

  /** Whether the same request would fail in the same way. */
  get permanent() {
    return OF_THE_FILE.includes(this.slug);
  }
}

function text(key) {
  return hasText(key) ? t(key) : null;
}

/** Creates a problem that the console found, not the service. `values` belong to its detail. */
export function localProblem(slug, values = {}) {
  const detail = hasText(`problem.${slug}.detail`) ? t(`problem.${slug}.detail`, values) : (values.detail ?? "");
  return new Problem({ type: PREFIX + slug, detail });
}

export function unreachable() {
  return localProblem("unreachable");
}

/** Converts anything thrown into a problem, so that every failure is shown. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return localProblem("console", { detail: String(error?.message ?? error) });
}

/**
 * @param {Function} [retry] called by the “Try again” button, which a file that can't be used has not
 * @param {string} [name] of the file
 */
export function problemCard(error, retry = null, name = null) {
  const problem = asProblem(error);
  const wait = problem.retryAfter ? ` ${t("problem.wait", { seconds: problem.retryAfter })}` : "";
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("h2", {}, problem.title),
    name ? el("p", { class: "name" }, name) : null,
    problem.detail ? el("p", { class: "detail" }, problem.detail) : null,
    el("p", { class: "advice" }, el("strong", {}, t("problem.what-to-do")), " ", problem.advice + wait),
    problem.id ? el("p", { class: "fine-print" }, t("problem.id"), " ", el("code", {}, problem.id)) : null,
    retry && !problem.permanent
      ? el("button", { type: "button", onclick: retry }, t("action.try-again"))
      : null,
  );
}
