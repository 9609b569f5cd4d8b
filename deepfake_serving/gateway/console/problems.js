/** Every failure: what the server said of it (RFC 9457), and what a person can do about it. */

import { el } from "./dom.js";

const PREFIX = "urn:problem:deepfake-serving:";

const ADVICE = {
  "invalid-request": "Check what was entered or chosen, and try again.",
  unauthorized: "Enter an API key that this service knows. Whoever runs it can give you one.",
  forbidden: "This API key may not do this. Ask whoever runs the service for a key with this scope.",
  "not-found": "It may have been deleted, or its time may be over. Look under History.",
  "unknown-model": "Choose another model, or leave the choice to the service.",
  "method-not-allowed": "The console and the service don't match: reload this page.",
  "slow-request": "The connection is very slow or was interrupted. Try again, or send something smaller.",
  conflict: "Something else changed it meanwhile. Reload, and look at its state before you try again.",
  "too-large": "Send a smaller file: a shorter piece of the video, or a picture saved with more compression.",
  "unsupported-media-type":
    "Choose a picture (JPEG, PNG, WebP …) or a video; the content counts, not the file's name.",
  "undecodable-media": "The file seems damaged or cut short. Export or download it anew, and try again.",
  "too-many-pixels": "Scale the picture down, and try again.",
  "refused-url": "The service doesn't fetch from such addresses. Download the file and send it from here.",
  "unreachable-url":
    "Open the address in a browser to see whether it is right; or download the file and send it from here.",
  overloaded: "The service is busy. Wait a moment, and try again.",
  "rate-limited": "This API key has used up its share for now. Wait a moment, and try again.",
  internal: "This is a defect of the service. Report it with the request id below.",
  "not-ready": "The service is starting or restarting. Try again in a minute.",
  "upstream-unavailable":
    "A part of the service doesn't answer. Try again in a minute; if it stays, tell whoever runs it.",
  "deadline-exceeded": "It took too long. Try again, or send something smaller.",
  "storage-full":
    "The service has no room left. Delete what you don't need under History, or tell whoever runs it.",
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
    return ADVICE[this.slug] ?? "Try again; if it stays, tell whoever runs the service.";
  }
}

/** A failure that was found here, not by the server. */
export function localProblem(slug, title, detail) {
  return new Problem({ type: PREFIX + slug, title, detail });
}

export function unreachable() {
  return localProblem("unreachable", "Server not reachable", "No answer came from the service.");
}

/** Any thrown thing as a problem, so that no failure stays unseen. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return localProblem("console", "The console failed", String(error?.message ?? error));
}

/** @param {Function} [again] is called by a button that tries again */
export function problemCard(error, again = null) {
  const problem = asProblem(error);
  const wait = problem.retryAfter ? ` The service asks to wait ${problem.retryAfter} s.` : "";
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("h2", {}, problem.title),
    problem.detail ? el("p", {}, problem.detail) : null,
    el("p", { class: "advice" }, el("strong", {}, "What to do: "), problem.advice + wait),
    problem.id ? el("p", { class: "fine" }, "Request id: ", el("code", {}, problem.id)) : null,
    again ? el("button", { type: "button", onclick: again }, "Try again") : null,
  );
}
