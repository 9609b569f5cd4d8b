/** Requests to the service: paths, the key, problems, and being out of reach. */

import { authorization, apiKey, keyInsteadOf } from "./key.js";
import { Problem, unreachable } from "./problems.js";

const ROOT = new URL("../", import.meta.url);

/** The address of a path of the API, wherever the whole is mounted; never another host's. */
export function at(path) {
  return ROOT.href + path.replace(/^\/+/, "");
}

export function jobPath(id, rest = "") {
  return `/v1/jobs/${encodeURIComponent(id)}${rest}`;
}

/**
 * One request; where the service wants a key, it is asked for and the request sent again.
 * @returns {Promise<Response>} a good one
 * @throws {Problem} also when no answer came
 */
export async function send(path, options = {}) {
  for (;;) {
    const used = apiKey();
    const reply = await reached(path, options);
    if (reply.ok) return reply;
    const problem = await problemOf(reply);
    if (problem.status !== 401) throw problem;
    await keyInsteadOf(used, problem);
  }
}

async function reached(path, options) {
  try {
    return await fetch(at(path), { ...options, headers: { ...options.headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** What a bad answer says; proxies in between don't speak RFC 9457. */
export async function problemOf(reply) {
  const wait = Number(reply.headers.get("Retry-After")) || null;
  return problemFrom(reply.status, await reply.text(), wait);
}

export function problemFrom(status, text, wait) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    document = { title: `The answer was ${status}`, detail: "It came without an explanation." };
  }
  return new Problem({ retry_after_s: wait, ...document, status });
}

/** @returns {Promise<Object|null>} the answer's JSON; null where it has none */
export async function ask(path, options = {}) {
  const reply = await send(path, options);
  return reply.status === 204 ? null : reply.json();
}

/** What is sent where a medium goes: a file as a form, or its URL. */
export function medium(source) {
  if (typeof source === "string") {
    return { body: JSON.stringify({ url: source }), headers: { "Content-Type": "application/json" } };
  }
  const form = new FormData();
  form.append("file", source, source.name || "pasted");
  return { body: form, headers: {} };
}

export function judgeImage(source, signal) {
  return ask("/v1/images", { method: "POST", signal, ...medium(source) });
}

let known = null;

/** Version and bounds of the service; asked once. */
export function info() {
  known ??= ask("/v1/info").catch((error) => {
    known = null;
    throw error;
  });
  return known;
}
