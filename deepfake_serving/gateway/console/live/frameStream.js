/** Live frames over a WebSocket: few in flight at once, so that results stay current. */

import { urlFor } from "../api/client.js";
import { apiKey } from "../api/apiKey.js";
import { localProblem, Problem, unreachable } from "../api/problems.js";

const IN_FLIGHT = 2;
const PERIOD_MS = 125;

/**
 * @param {Function} capture captures the current frame: a promise of a blob
 * @param {Function} onResult called with `{frame, verdict, smoothed, dropped}` or `{frame, problem}`
 * @param {Function} onEnd called with a problem when the stream ends on its own
 * @returns {{sent, stop()}}
 */
export function openFrameStream(capture, onResult, onEnd) {
  const socket = new WebSocket(socketURL());
  const state = { sent: 0, stop };
  let [acknowledged, capturing, problem, timer, stopped] = [0, false, null, null, false];

  async function send() {
    if (capturing || state.sent - acknowledged >= IN_FLIGHT) return;
    capturing = true;
    const frame = await capture();
    capturing = false;
    if (socket.readyState !== WebSocket.OPEN || !frame) return;
    socket.send(frame);
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
    else acknowledged = message.frame; // earlier frames have a result or were dropped
    if (!stopped && message.frame !== undefined) onResult(message);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    clearInterval(timer);
    if (!stopped) onEnd(problem ?? closeProblem(code, reason));
  });
  return state;
}

/** Returns the socket's URL, with the API key in its query: a browser's WebSocket sends no custom headers. */
function socketURL() {
  const key = apiKey();
  const query = key ? `?key=${encodeURIComponent(key)}` : "";
  return urlFor(`/v1/stream${query}`).replace(/^http/, "ws");
}

/** Explains a close code (RFC 6455, section 7.4.1). A socket that never opened closes with 1006. */
function closeProblem(code, reason) {
  if (code === 1006) return unreachable();
  return localProblem("stream-ended", { detail: reason || String(code) });
}
