/** Sends many pictures, a few at once, and comes back to those that a busy service put off. */

import { judgeImage } from "./api.js";
import { asProblem } from "./problems.js";

const AT_ONCE = 3;
const TRIES = 6;

/** @param {Function} changed is told of each row whose state changed */
export async function judgeAll(rows, signal, changed) {
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) await judge(row, signal, changed);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function judge(row, signal, changed) {
  const set = (state, more = {}) => changed(Object.assign(row, { state, ...more }));
  try {
    signal.throwIfAborted();
    set("sent");
    const began = performance.now();
    const verdict = await patiently(row, signal, (seconds) => set(`busy, again in ${seconds} s`));
    set("done", { verdict, seconds: (performance.now() - began) / 1000 });
  } catch (error) {
    if (error.name === "AbortError") set("stopped");
    else set("failed", { problem: asProblem(error) });
  }
}

async function patiently(row, signal, putOff) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await judgeImage(row.file, signal);
    } catch (error) {
      if (error.retryAfter === null || error.retryAfter === undefined || attempt === TRIES) throw error;
      putOff(error.retryAfter);
      await pause(error.retryAfter * 1000, signal);
    }
  }
}

/** Ends early, by AbortError, when the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
