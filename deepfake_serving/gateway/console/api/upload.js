/** Uploads a file by XMLHttpRequest, which reports progress; fetch doesn't. */

import { guard } from "../lib/leaveGuard.js";
import { acceptsKey, urlFor } from "./client.js";
import { apiKey, authorization, replaceKey } from "./apiKey.js";
import { unreachable } from "./problems.js";
import { jsonFrom, problemFrom } from "./responses.js";

/**
 * @param {Function} progress called with `{share, perSecond, left}`: 0 to 1, bytes, seconds or null
 * @returns {Promise<Object>} the JSON of the response
 */
export function upload(path, content, progress, signal) {
  return guard(sendUntilAuthorized(path, content, progress, signal));
}

async function sendUntilAuthorized(path, { body, headers }, progress, signal) {
  for (;;) {
    const used = apiKey();
    const response = await post(path, body, { ...headers, ...authorization() }, progress, signal);
    if (response.status < 300) return jsonFrom(response.responseText);
    const wait = Number(response.getResponseHeader("Retry-After")) || null;
    const problem = problemFrom(response.status, response.responseText, wait);
    if (problem.status !== 401) throw problem;
    await replaceKey(used, problem, acceptsKey);
  }
}

function post(path, body, headers, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const started = { at: performance.now(), bytes: 0 };
    request.open("POST", urlFor(path));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(measure(loaded, total, started)));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    if (signal.aborted) reject(signal.reason);
    else request.send(body);
  });
}

/** @param {{at, bytes}} started the time in ms, and the bytes that were sent before */
export function measure(loaded, total, started) {
  const perSecond = (loaded - started.bytes) / Math.max((performance.now() - started.at) / 1000, 0.001);
  return { share: loaded / total, perSecond, left: perSecond ? (total - loaded) / perSecond : null };
}
