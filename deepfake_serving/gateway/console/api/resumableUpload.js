/** Uploads that resume by tus: after the network was lost, and after a reload of the page with the same file. */

import { guard } from "../lib/leaveGuard.js";
import { pause } from "../lib/pause.js";
import { apiKey, authorization, replaceKey } from "./apiKey.js";
import { acceptsKey, fetchJson, request, urlFor } from "./client.js";
import { unreachable } from "./problems.js";
import { problemFrom } from "./responses.js";
import { measure } from "./upload.js";

/** Files from this size on are worth the additional requests. */
export const RESUMABLE_BYTES = 8 * 2 ** 20;

const PATH = "/v1/uploads";
const CHUNK_BYTES = 32 * 2 ** 20; // a proxy that buffers a request loses all of it
const [RETRY_MS, MAX_WAIT_S] = [3000, 60];
const [CONFLICT, TRANSIENT] = [409, [429, 502, 503, 504]];

/**
 * Uploads a file and submits it.
 * @param {string} path of the API, with options
 * @param {Function} progress called as by `upload`, and with `{waiting: true}` while the service is out of reach
 * @returns {Promise<Object>} the JSON of the response
 */
export function resumableUpload(path, file, progress, signal) {
  return guard(send(path, file, progress, signal));
}

async function send(path, file, progress, signal) {
  const memory = remembered(file);
  const retry = (work) => untilReachable(work, () => progress({ waiting: true }), signal);
  await retry(async () => {
    const id = memory.get();
    if (id && !(await exists(id, signal))) memory.set(null);
    await sendRest(file, memory, progress, signal);
  });
  const body = JSON.stringify({ upload: memory.get() });
  const headers = { "Content-Type": "application/json" };
  const job = await retry(() => fetchJson(path, { method: "POST", signal, headers, body }));
  memory.set(null);
  return job;
}

/** Keeps the id of a file's upload over reloads of the page, where the browser permits it. */
function remembered({ name, size, lastModified }) {
  const key = ["deepfake-upload", name, size, lastModified].join("|");
  let id = null;
  try {
    id = localStorage.getItem(key);
  } catch {} // without storage, an upload resumes until the page is closed
  const set = (value) => {
    id = value;
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {}
  };
  return { get: () => id, set };
}

/** tus-js-client begins again after any failure to find out how much is stored; so this comes first. */
async function exists(id, signal) {
  try {
    await request(`${PATH}/${encodeURIComponent(id)}`, { method: "HEAD", signal });
    return true;
  } catch (problem) {
    if (problem.status === 404) return false;
    throw problem;
  }
}

async function sendRest(file, memory, progress, signal) {
  await import("../vendor/tus.min.js");
  await new Promise((resolve, reject) => {
    const started = { at: performance.now(), bytes: null };
    const upload = new globalThis.tus.Upload(file, {
      endpoint: urlFor(PATH),
      uploadUrl: memory.get() ? urlFor(`${PATH}/${memory.get()}`) : null,
      metadata: { filename: file.name },
      chunkSize: CHUNK_BYTES,
      retryDelays: null,
      storeFingerprintForResuming: false,
      onBeforeRequest: (sent) =>
        Object.entries(authorization()).forEach(([name, value]) => sent.setHeader(name, value)),
      onUploadUrlAvailable: () => {
        memory.set(upload.url.split("/").at(-1));
        upload.url = urlFor(`${PATH}/${memory.get()}`);
      },
      onProgress: (loaded, total) => {
        started.bytes ??= loaded;
        progress(measure(loaded, total, started));
      },
      onSuccess: resolve,
      onError: (error) => reject(problemOf(error)),
    });
    const stop = () => {
      upload.abort();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    else upload.start();
  });
}

function problemOf({ originalResponse: response, originalRequest: sent, message }) {
  const status = response?.getStatus();
  if (status && status !== CONFLICT) {
    return problemFrom(status, response.getBody(), Number(response.getHeader("Retry-After")) || null);
  }
  return sent ? unreachable() : new Error(message); // after a conflict the offset is read again
}

/** Repeats work while the service is out of reach or busy, and prompts for an API key where one is needed. */
async function untilReachable(work, onWait, signal) {
  for (;;) {
    const used = apiKey();
    try {
      return await work();
    } catch (problem) {
      signal.throwIfAborted();
      if (problem.status === 401) await replaceKey(used, problem, acceptsKey);
      else if (!isTransient(problem)) throw problem;
      else {
        onWait();
        await pause(1000 * problem.retryAfter || RETRY_MS, signal);
      }
    }
  }
}

function isTransient({ slug, status, retryAfter }) {
  return slug === "unreachable" || (TRANSIENT.includes(status) && (retryAfter ?? 0) <= MAX_WAIT_S);
}
