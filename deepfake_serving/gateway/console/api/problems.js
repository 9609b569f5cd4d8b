/** Failures: the service's problem details (RFC 9457), and advice on what to do. */

import { el } from "../lib/dom.js";

const PREFIX = "urn:problem:deepfake-serving:";

const ADVICE = {
  "invalid-request": "Check what was entered or chosen, and try again.",
  unauthorized: "Enter an API key that this service accepts. Its operator can give you one.",
  forbidden: "This API key may not do this. Ask the operator of the service for a key with this scope.",
  "not-found": "It may have been deleted, or it may have expired. Look under History.",
  "unknown-model": "Choose another model, or leave the choice to the service.",
  "method-not-allowed": "The console and the service don't match: reload this page.",
  "slow-request": "The connection is very slow or was interrupted. Try again, or send something smaller.",
  conflict: "Something else changed it meanwhile. Reload, and look at its state before you try again.",
  "too-large": "Send a smaller file: a shorter part of the video, or an image saved with more compression.",
  "message-too-large": "Send fewer or smaller images at once.",
  "unsupported-content-coding": "A proxy on the way compresses uploads. Contact the operator of the service.",
  "invalid-cursor": "This page of the list is no longer valid. Reload the list.",
  "unsupported-media-type":
    "Choose an image (JPEG, PNG, WebP …) or a video; the content counts, not the file's name.",
  "undecodable-media": "The file seems damaged or cut short. Export or download it again, then retry.",
  "too-many-pixels": "Scale the image down, and try again.",
  "refused-url": "The service doesn't fetch from this kind of address. Download the file and send it from here.",
  "unreachable-url":
    "Open the address in a browser to check it, or download the file and send it from here.",
  overloaded: "The service is busy. Wait a moment, and try again.",
  "rate-limited": "This API key has reached its rate limit. Wait a moment, and try again.",
  internal: "This is a bug in the service. Report it with the request id below.",
  "not-ready": "The service is starting or restarting. Try again in a minute.",
  "upstream-unavailable":
    "A part of the service doesn't respond. Try again in a minute; if it persists, contact the operator of the service.",
  "deadline-exceeded": "It took too long. Try again, or send something smaller.",
  "storage-full":
    "The service's storage is full. Delete what you don't need under History, or contact the operator of the service.",
  unreachable: "Check your connection, and whether the service runs; then try again.",
  "no-camera": "Connect a camera, and try again.",
  "camera-refused": "Allow the camera for this page in the browser's address bar, and try again.",
  "camera-busy": "Close other programs that use the camera, and try again.",
  "camera-insecure":
    "Open this console by https:// or on localhost: browsers give the camera to secure pages only.",
};

export class Problem extends Error {
  /** @param {{type, title, status, detail, id, retry_after_s}} document */
  constructor(document) {
    super(document.detail ?? document.title);
    this.name = "Problem";
    this.slug = String(document.type ?? "").replace(PREFIX, "");
    this.title = document.title ?? "Something went wrong";
    this.detail = document.detail ?? "";
    this.status = document.status ?? 0;
    this.id = document.id ?? null;
    this.retryAfter = document.retry_after_s ?? null;
  }

  get advice() {
    return ADVICE[this.slug] ?? "Try again; if it persists, contact the operator of the service.";
  }
}

/** Creates a problem that the console found, not the service. */
export function localProblem(slug, title, detail) {
  return new Problem({ type: PREFIX + slug, title, detail });
}

export function unreachable() {
  return localProblem("unreachable", "Server not reachable", "The service did not respond.");
}

/** Converts anything thrown into a problem, so that every failure is shown. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return localProblem("console", "The console failed", String(error?.message ?? error));
}

/** @param {Function} [retry] called by the “Try again” button */
export function problemCard(error, retry = null) {
  const problem = asProblem(error);
  const wait = problem.retryAfter ? ` The service asks to wait ${problem.retryAfter} s.` : "";
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("h2", {}, problem.title),
    problem.detail ? el("p", {}, problem.detail) : null,
    el("p", { class: "advice" }, el("strong", {}, "What to do: "), problem.advice + wait),
    problem.id ? el("p", { class: "fine-print" }, "Request id: ", el("code", {}, problem.id)) : null,
    retry ? el("button", { type: "button", onclick: retry }, "Try again") : null,
  );
}
