/** Live frames over a WebSocket: few are under way at once, so that what is shown is never old. */

import { at } from "./api.js";
import { apiKey } from "./key.js";
import { localProblem, Problem, unreachable } from "./problems.js";

const IN_FLIGHT = 2;
const PERIOD_MS = 125;

/**
 * @param {Function} frame takes the current picture: a promise of a blob
 * @param {Function} onAnswer takes `{frame, verdict, smoothed, dropped}` or `{frame, problem}`
 * @param {Function} onEnd takes a problem; null where it was closed as asked
 * @returns {{sent, stop()}}
 */
export function openStream(frame, onAnswer, onEnd) {
  const socket = new WebSocket(address());
  const state = { sent: 0, stop };
  let [answered, taking, problem, timer, stopped] = [0, false, null, null, false];

  async function send() {
    if (taking || state.sent - answered >= IN_FLIGHT) return;
    taking = true;
    const picture = await frame();
    taking = false;
    if (socket.readyState !== WebSocket.OPEN || !picture) return;
    socket.send(picture);
    state.sent += 1;
  }

  function stop() {
    stopped = true;
    clearInterval(timer);
    socket.close();
  }

  socket.addEventListener("open", () => (timer = setInterval(send, PERIOD_MS)));
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.frame === undefined) problem = new Problem(message.problem);
    else answered = message.frame; // those before it were answered or dropped
    if (!stopped && message.frame !== undefined) onAnswer(message);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    clearInterval(timer);
    if (!stopped) onEnd(problem ?? whyClosed(code, reason));
  });
  return state;
}

/** A browser's WebSocket sends no headers of ours: the key goes with the address. */
function address() {
  const key = apiKey();
  const query = key ? `?key=${encodeURIComponent(key)}` : "";
  return at(`/v1/stream${query}`).replace(/^http/, "ws");
}

/** Codes: RFC 6455, section 7.4.1. A socket that was never opened closes with 1006. */
function whyClosed(code, reason) {
  if (code === 1006) return unreachable();
  return localProblem(
    "stream-ended",
    "The live stream has ended",
    reason || `The service closed it with code ${code}.`,
  );
}
