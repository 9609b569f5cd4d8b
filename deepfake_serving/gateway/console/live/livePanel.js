/** Live panel: the camera, analysed frame by frame. */

import { closeCamera, frameCapture, openCamera } from "./camera.js";
import { announce, el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { Problem, problemCard } from "../api/problems.js";
import { faceOverlay } from "../components/faceOverlay.js";
import { openFrameStream } from "./frameStream.js";
import { scoreTrace } from "./scoreTrace.js";
import { badge, untrainedWarning, verdictFor, VERDICTS } from "../components/verdicts.js";

export function livePanel() {
  const output = el("div", { class: "output" });
  const start = el("button", { type: "button", class: "primary", onclick: begin }, "Start the camera");
  const stop = el("button", { type: "button", hidden: true, onclick: () => end(null) }, "Stop");
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Your camera, analysed about eight times a second. Frames are sent to the service, analysed and discarded; nothing is stored.",
    ),
    el("div", { class: "actions" }, start, stop),
    output,
  );
  let [camera, stream, view, running] = [null, null, null, false];

  async function begin() {
    running = true;
    show(true);
    output.replaceChildren(el("p", { class: "busy", role: "status" }, "Waiting for the camera …"));
    try {
      camera = await openCamera();
      if (!running) return release();
      view = await liveView(camera);
      output.replaceChildren(view.element);
      stream = openFrameStream(frameCapture(view.video), (message) => view.show(message, stream.sent), end);
      announce("The camera is on.");
    } catch (error) {
      end(error);
    }
  }

  function end(problem) {
    release();
    show(false);
    if (problem) output.replaceChildren(problemCard(problem));
    else if (output.firstChild) {
      view?.stop();
      announce("The camera is off.");
    }
    view = null;
  }

  function release() {
    running = false;
    stream?.stop();
    if (camera) closeCamera(camera);
    [camera, stream] = [null, null];
  }

  function show(on) {
    start.hidden = on;
    stop.hidden = !on;
  }

  return { title: "Live", open: () => element, close: () => end(null) };
}

/** @returns {Promise<{element, video, show(message, sent), stop()}>} resolved when the first frame is shown */
async function liveView(camera) {
  const video = el("video", { playsinline: true, muted: true, "aria-label": "Your camera" });
  video.muted = true;
  video.srcObject = camera;
  await video.play();
  const view = faceOverlay(video, video.videoWidth, video.videoHeight);
  const chart = scoreTrace();
  const now = el("p", { class: "live-now" }, "Waiting for the first verdict …");
  const [latest, counts, notes] = [el("dd", {}, "–"), el("dd", {}, "–"), el("div")];
  const text = el(
    "div",
    { class: "result-text" },
    now,
    el("dl", { class: "facts" }, el("dt", {}, "Latest frame"), latest, el("dt", {}, "Frames"), counts),
    chart.element,
    notes,
  );
  const element = el("div", { class: "result" }, view.element, text);
  let announced = null;

  function show({ verdict, smoothed: p, dropped, problem }, sent) {
    counts.textContent = `${sent} sent, ${dropped} dropped`;
    if (problem) {
      notes.replaceChildren(problemCard(new Problem(problem)));
      return;
    }
    draw(view, video, verdict);
    chart.add(verdict.fake_probability, p);
    now.replaceChildren(badge(verdictOf(verdict, p), p));
    latest.textContent = score(verdict.fake_probability);
    notes.replaceChildren(...[untrainedWarning(verdict.model)].filter(Boolean));
    announced = announceChange(verdict, p, announced);
  }

  /** Clears what belongs to a moment that is over; the chart stays. */
  function stop() {
    view.draw([]);
    now.replaceChildren("Stopped.");
    latest.textContent = "–";
  }

  return { element, video, show, stop };
}

/** Draws the faces; a frame may be smaller than the camera's video. */
function draw(view, video, verdict) {
  const scale = video.videoWidth / verdict.width;
  view.draw(verdict.faces.map((face) => ({ ...face, box: face.box.map((value) => value * scale) })));
}

/** Returns the verdict of the smoothed score: that of a single frame flickers. */
function verdictOf(verdict, smoothed) {
  return verdict.verdict === "no_face" || smoothed === null ? "no_face" : verdictFor(smoothed);
}

/** Announces a verdict when it changes, not eight times a second. */
function announceChange(verdict, smoothed, announced) {
  const current = verdictOf(verdict, smoothed);
  if (current !== announced) announce(`Live: ${VERDICTS[current].label}`);
  return current;
}
