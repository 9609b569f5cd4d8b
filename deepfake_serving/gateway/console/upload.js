/** Sends a large file and tells how far it is, which fetch can't. */

import { at, problemFrom } from "./api.js";
import { apiKey, authorization, keyInsteadOf } from "./key.js";
import { unreachable } from "./problems.js";

/**
 * @param {Function} progress takes the share that was sent, 0 to 1
 * @returns {Promise<Object>} the answer's JSON
 */
export async function upload(path, { body, headers }, progress, signal) {
  for (;;) {
    const used = apiKey();
    const reply = await sent(path, body, { ...headers, ...authorization() }, progress, signal);
    if (reply.status < 300) return JSON.parse(reply.responseText);
    const wait = Number(reply.getResponseHeader("Retry-After")) || null;
    const problem = problemFrom(reply.status, reply.responseText, wait);
    if (problem.status !== 401) throw problem;
    await keyInsteadOf(used, problem);
  }
}

function sent(path, body, headers, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", at(path));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded / total));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
