/** Follows a job by server-sent events, and by polling where they break off. */

import { fetchJson, jobPath, request } from "./client.js";
import { pause } from "../lib/pause.js";

export const ENDED = ["succeeded", "failed", "dead", "cancelled"];
const POLL_MS = 2000;

/**
 * @param {Function} show called with each new state of the job
 * @param {Function} onError called with the problem when a poll fails; polling goes on
 * @returns {Promise<void>} resolved when the job has ended
 */
export async function follow(id, show, onError, signal) {
  for (;;) {
    try {
      if (await followStream(id, show, signal)) return;
    } catch (problem) {
      rethrowPermanent(problem, signal); // other failures show in the poll below
    }
    try {
      if (await poll(id, show, signal)) return;
    } catch (problem) {
      rethrowPermanent(problem, signal);
      onError(problem);
    }
    await pause(POLL_MS, signal);
  }
}

/** @returns {Promise<boolean>} whether the job has ended */
async function followStream(id, show, signal) {
  for await (const { event, data } of events(jobPath(id, "/events"), signal)) {
    show(data);
    if (event === "end") return true;
  }
  return false;
}

async function poll(id, show, signal) {
  const job = await fetchJson(jobPath(id), { signal });
  show(job);
  return ENDED.includes(job.state);
}

/** Rethrows client errors, as a deleted job stays deleted. An overloaded or unreachable service recovers. */
function rethrowPermanent(problem, signal) {
  const refused = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
  if (signal.aborted || refused) throw problem;
}

/**
 * Yields the events of a stream. EventSource isn't used as it can't send the API key.
 * Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
async function* events(path, signal) {
  const response = await request(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await readOrEnd(reader.read());
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    yield* blocks.map(parse).filter((message) => message.data !== null);
  }
}

/** Treats a broken stream as its end: a poll follows, not an error. */
async function readOrEnd(read) {
  try {
    return await read;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { done: true };
  }
}

function parse(block) {
  const lines = block
    .split(/\r?\n/)
    .map((line) => line.match(/^(\w+): ?(.*)$/))
    .filter(Boolean);
  const text = lines
    .filter(([, field]) => field === "data")
    .map(([, , value]) => value)
    .join("\n");
  const event = lines.find(([, field]) => field === "event")?.[2] ?? "message";
  return { event, data: text ? JSON.parse(text) : null };
}
