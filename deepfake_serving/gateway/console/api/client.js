/** HTTP client of the API: URLs, the API key, problems and network failures. */

import { authorization, apiKey, replaceKey } from "./apiKey.js";
import { unreachable } from "./problems.js";
import { jsonFrom, problemFrom } from "./responses.js";

const ROOT = new URL("./", document.baseURI);

/** Returns the URL of an API path, relative to the page's own URL; never on another host. */
export function urlFor(path) {
  return ROOT.href + path.replace(/^\/+/, "");
}

export function jobPath(id, rest = "") {
  return `/v1/jobs/${encodeURIComponent(id)}${rest}`;
}

/**
 * Sends a request. If the service requires an API key, prompts for one and sends the request again.
 * @returns {Promise<Response>} a successful response
 * @throws {Problem} for an error response, and when there was no response at all
 */
export async function request(path, options = {}) {
  for (;;) {
    const used = apiKey();
    const response = await fetchOrUnreachable(path, options);
    if (response.ok) return response;
    const problem = await problemFromResponse(response);
    if (problem.status !== 401) throw problem;
    await replaceKey(used, problem, acceptsKey);
  }
}

/** @returns {Promise<boolean>} whether the service knows a key; what the key may do is another question */
export async function acceptsKey(key) {
  try {
    const response = await fetch(urlFor("/v1/models"), { headers: authorization(key) });
    return response.status !== 401;
  } catch {
    return true; // the request that waits for the key says what is wrong
  }
}

async function fetchOrUnreachable(path, options) {
  try {
    return await fetch(urlFor(path), { ...options, headers: { ...options.headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

async function problemFromResponse(response) {
  const wait = Number(response.headers.get("Retry-After")) || null;
  return problemFrom(response.status, await response.text(), wait);
}

/** @returns {Promise<Object|null>} the JSON of the response; null where it has no content */
export async function fetchJson(path, options = {}) {
  const response = await request(path, options);
  return response.status === 204 ? null : jsonFrom(await response.text());
}

/** Body and headers of an upload: a file as a form, or its URL as JSON. */
export function mediaBody(source) {
  if (typeof source === "string") {
    return { body: JSON.stringify({ url: source }), headers: { "Content-Type": "application/json" } };
  }
  const form = new FormData();
  form.append("file", source, source.name || "pasted");
  return { body: form, headers: {} };
}

/** @param {string} path of the analysis, with its options */
export function analyseImage(path, source, signal) {
  return fetchJson(path, { method: "POST", signal, ...mediaBody(source) });
}

let cachedInfo = null;

/** Fetches the service's version, limits and models, once per page unless a `fresh` copy is needed. */
export function info(fresh = false) {
  if (fresh) cachedInfo = null;
  cachedInfo ??= fetchJson("/v1/info").catch((error) => {
    cachedInfo = null;
    throw error;
  });
  return cachedInfo;
}
