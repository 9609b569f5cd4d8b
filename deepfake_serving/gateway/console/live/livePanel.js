/** Live panel: the camera, analysed frame by frame. */

import { localProblem, Problem, problemCard } from "../api/problems.js";
import { faceOverlay } from "../components/faceOverlay.js";
import { cardLink, explanation, untrainedWarning } from "../components/finding.js";
import { defaultScale, verdictFor } from "../components/scale.js";
import { standouts } from "../components/standouts.js";
import { badge, verdictLabel } from "../components/verdicts.js";
import { announce, el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { t } from "../messages.js";
import { closeCamera, frameCapture, openCamera } from "./camera.js";
import { openFrameStream } from "./frameStream.js";
import { scoreTrace } from "./scoreTrace.js";

export function livePanel() {
  const output = el("div", { class: "output" });
  const start = el("button", { type: "button", class: "primary", onclick: begin }, t("live.start"));
  const stop = el("button", { type: "button", hidden: true, onclick: () => end(null) }, t("action.stop"));
  const element = el(
    "div",
    {},
    el("p", { class: "lede" }, t("live.lede")),
    el("div", { class: "actions" }, start, stop),
    output,
  );
  let [camera, stream, view, running] = [null, null, null, false];

  async function begin() {
    running = true;
    show(true);
    output.replaceChildren(el("p", { class: "busy", role: "status" }, t("live.waiting")));
    try {
      camera = await openCamera(() => end(localProblem("camera-lost")));
      if (!running) return release();
      view = await liveView(camera, await defaultScale());
      output.replaceChildren(view.element);
      stream = openFrameStream(frameCapture(view.video), (message) => view.show(message, stream.sent), end);
      announce(t("live.on"));
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
      announce(t("live.off"));
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

  return { title: t("panel.live"), open: () => element, close: () => end(null) };
}

/** @returns {Promise<{element, video, show(message, sent), stop()}>} resolved when the first frame is shown */
async function liveView(camera, scale) {
  const video = el("video", { playsinline: true, muted: true, "aria-label": t("live.camera") });
  video.muted = true;
  video.srcObject = camera;
  await video.play();
  const view = faceOverlay(video, video.videoWidth, video.videoHeight);
  const chart = scoreTrace(scale);
  const now = el("p", { class: "live-now" }, t("live.first"));
  const [latest, counts] = [el("dd", {}, "–"), el("dd", {}, "–")];
  const [caution, notes] = [el("div", { class: "live-caution" }), el("div")];
  const text = el(
    "div",
    { class: "result-text" },
    now,
    el("dl", { class: "facts" }, el("dt", {}, t("live.latest")), latest, el("dt", {}, t("live.frames")), counts),
    chart.element,
    caution,
    notes,
  );
  const element = el("div", { class: "result" }, view.element, text);
  let announced = null;

  function show({ verdict, smoothed: p, dropped, problem }, sent) {
    counts.textContent = t("live.counts", { sent, dropped });
    if (problem) {
      notes.replaceChildren(problemCard(new Problem(problem)));
      return;
    }
    draw(view, video, verdict);
    chart.add(verdict.fake_probability, p);
    const current = verdictOf(verdict, p, scale);
    now.replaceChildren(badge(current, p));
    latest.textContent = score(verdict.fake_probability);
    notes.replaceChildren(...[untrainedWarning(verdict.model)].filter(Boolean));
    const exceptions = standouts({ faces: verdict.faces, verdict: current });
    const said = [t("live.verdict", { verdict: verdictLabel(current) }), exceptions].filter(Boolean).join(". ");
    if (said === announced) return; // announced and explained when it changes, not eight times a second
    announced = said;
    announce(said);
    caution.replaceChildren(...explained(current, scale, exceptions));
  }

  /** Clears what belongs to a moment that is over; the chart stays. */
  function stop() {
    view.draw([]);
    now.replaceChildren(t("live.stopped"));
    caution.replaceChildren();
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
function verdictOf(verdict, smoothed, scale) {
  if (verdict.verdict === "no_face" || smoothed === null) return "no_face";
  return verdictFor(smoothed, scale) ?? verdict.verdict;
}

/** Returns what a verdict means and what it does not, as beside every other verdict. */
function explained(verdict, scale, exceptions) {
  const texts = explanation(verdict, scale, exceptions).map(([name, text]) => el("p", { class: name }, text));
  return [...texts, cardLink(scale)].filter(Boolean);
}
