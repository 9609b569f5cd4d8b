/** Uploads a large file by XMLHttpRequest, which reports progress; fetch doesn't. */

import { urlFor, problemFrom } from "./client.js";
import { apiKey, authorization, replaceKey } from "./apiKey.js";
import { unreachable } from "./problems.js";

/**
 * @param {Function} progress called with the share sent so far, 0 to 1
 * @returns {Promise<Object>} the JSON of the response
 */
export async function upload(path, { body, headers }, progress, signal) {
  for (;;) {
    const used = apiKey();
    const response = await post(path, body, { ...headers, ...authorization() }, progress, signal);
    if (response.status < 300) return JSON.parse(response.responseText);
    const wait = Number(response.getResponseHeader("Retry-After")) || null;
    const problem = problemFrom(response.status, response.responseText, wait);
    if (problem.status !== 401) throw problem;
    await replaceKey(used, problem);
  }
}

function post(path, body, headers, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", urlFor(path));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded / total));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
