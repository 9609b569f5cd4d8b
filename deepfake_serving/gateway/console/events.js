/** Follows a job: by server-sent events, and by asking now and then where they break off. */

import { ask, jobPath, send } from "./api.js";
import { pause } from "./crowd.js";

export const ENDED = ["succeeded", "failed", "dead", "cancelled"];
const POLL_MS = 2000;

/**
 * @param {Function} show takes each new state of the job
 * @param {Function} lost is told of the problem when the service can't be asked; it is then tried again
 * @returns {Promise<void>} when the job has ended
 */
export async function follow(id, show, lost, signal) {
  for (;;) {
    try {
      if (await streamed(id, show, signal)) return;
    } catch (problem) {
      throwFinal(problem, signal); // what else went wrong, asking will tell
    }
    try {
      if (await asked(id, show, signal)) return;
    } catch (problem) {
      throwFinal(problem, signal);
      lost(problem);
    }
    await pause(POLL_MS, signal);
  }
}

/** @returns {Promise<boolean>} whether the job has ended */
async function streamed(id, show, signal) {
  for await (const { event, data } of events(jobPath(id, "/events"), signal)) {
    show(data);
    if (event === "end") return true;
  }
  return false;
}

async function asked(id, show, signal) {
  const job = await ask(jobPath(id), { signal });
  show(job);
  return ENDED.includes(job.state);
}

/** A job that is gone stays gone; a service that is busy or out of reach comes back. */
function throwFinal(problem, signal) {
  const refused = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
  if (signal.aborted || refused) throw problem;
}

/**
 * The events of a stream. EventSource isn't used as it can't send the API key.
 * The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
async function* events(path, signal) {
  const reply = await send(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await broken(reader.read());
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    yield* blocks.map(parse).filter((message) => message.data !== null);
  }
}

/** A stream that breaks off is followed by a poll, not by a failure. */
async function broken(read) {
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
