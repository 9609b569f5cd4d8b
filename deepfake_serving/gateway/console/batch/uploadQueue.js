/** Uploads many images, a few at once, and retries while the service is overloaded or out of reach. */

import { analyseImage } from "../api/client.js";
import { asProblem } from "../api/problems.js";
import { checkFile } from "../files/fileLimits.js";
import { analysisPath, partCopy } from "../image/shownImage.js";
import { guard } from "../lib/leaveGuard.js";
import { pause } from "../lib/pause.js";

const CONCURRENCY = 3;
const MAX_ATTEMPTS = 6;
const LOST_WAIT_S = 3;

/** The end of the work of each slot; images that are added later wait for it. */
const slots = Array.from({ length: CONCURRENCY }, () => Promise.resolve());

/** @param {Function} onChange called with each row whose state changed */
export function analyseAll(rows, signal, onChange) {
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) await analyse(row, signal, onChange);
  };
  slots.forEach((slot, n) => (slots[n] = slot.then(worker, worker)));
  return guard(Promise.all(slots));
}

async function analyse(row, signal, onChange) {
  const set = (state, more = {}) => onChange(Object.assign(row, { state, ...more }));
  try {
    signal.throwIfAborted();
    await checkFile(row.file, "image");
    set("sent");
    const started = performance.now();
    const response = await withRetries(row, signal, (state, wait) => set(state, { wait }));
    set("done", { ...partCopy(response), seconds: (performance.now() - started) / 1000 });
  } catch (error) {
    if (error.name === "AbortError") set("stopped");
    else set("failed", { problem: asProblem(error) });
  }
}

async function withRetries(row, signal, onRetry) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await analyseImage(await analysisPath(row.file), row.file, signal);
    } catch (error) {
      const wait = error.retryAfter ?? (isLost(error) ? LOST_WAIT_S : null);
      if (wait === null || attempt === MAX_ATTEMPTS) throw error;
      onRetry(error.retryAfter ? "busy" : "lost", wait);
      await pause(wait * 1000, signal);
    }
  }
}

/** Whether the service is out of reach, so that the next image would fail as well. */
function isLost({ slug, status }) {
  return slug === "unreachable" || [502, 503].includes(status);
}
