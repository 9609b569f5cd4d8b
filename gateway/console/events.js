/** Follows a job: by server-sent events, and by asking now and then where they break off. */

import { ask, jobPath, send } from "./api.js";
import { pause } from "./crowd.js";

export const ENDED = ["succeeded", "failed", "dead", "cancelled"];
const POLL_MS = 2000;

/**
 * @param {Function} show takes each new state of the job
 * @param {Function} lost is told of the problem when the connection broke; it is then tried again
 * @returns {Promise<void>} when the job has ended
 */
export async function follow(id, show, lost, signal) {
  for (;;) {
    try {
      for await (const { event, data } of events(jobPath(id, "/events"), signal)) {
        show(data);
        if (event === "end") return;
      }
      const job = await ask(jobPath(id), { signal });
      show(job);
      if (ENDED.includes(job.state)) return;
    } catch (problem) {
      if (signal.aborted || (problem.status >= 400 && problem.status < 500 && problem.status !== 429))
        throw problem;
      lost(problem);
    }
    await pause(POLL_MS, signal);
  }
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
