/** The camera, judged live. */

import { closeCamera, framesOf, openCamera } from "./camera.js";
import { announce, el } from "./dom.js";
import { score } from "./format.js";
import { Problem, problemCard } from "./problems.js";
import { stage } from "./stage.js";
import { openStream } from "./stream.js";
import { trace } from "./trace.js";
import { badge, untrainedWarning, wordFor, VERDICTS } from "./verdicts.js";

export function livePanel() {
  const answer = el("div", { class: "answer" });
  const start = el("button", { type: "button", class: "primary", onclick: begin }, "Start the camera");
  const stop = el("button", { type: "button", hidden: true, onclick: () => end(null) }, "Stop");
  const element = el(
    "div",
    {},
    el(
      "p",
      { class: "lede" },
      "Your camera, judged about eight times a second. Pictures are sent to the service, judged and thrown away; nothing is stored.",
    ),
    el("div", { class: "actions" }, start, stop),
    answer,
  );
  let [camera, stream, wanted] = [null, null, false];

  async function begin() {
    wanted = true;
    show(true);
    answer.replaceChildren(el("p", { class: "busy", role: "status" }, "Waiting for the camera …"));
    try {
      camera = await openCamera();
      if (!wanted) return release();
      const view = await screenOf(camera);
      answer.replaceChildren(view.element);
      stream = openStream(framesOf(view.video), (message) => view.show(message, stream.sent), end);
      announce("The camera is on.");
    } catch (error) {
      end(error);
    }
  }

  function end(problem) {
    release();
    show(false);
    if (problem) answer.replaceChildren(problemCard(problem));
    else if (answer.firstChild) announce("The camera is off.");
  }

  function release() {
    wanted = false;
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

/** @returns {Promise<{element, video, show(message, sent)}>} when the first picture is there */
async function screenOf(camera) {
  const video = el("video", { playsinline: true, muted: true, "aria-label": "Your camera" });
  video.muted = true;
  video.srcObject = camera;
  await video.play();
  const view = stage(video, video.videoWidth, video.videoHeight);
  const chart = trace();
  const now = el("p", { class: "live-now" }, "Waiting for the first verdict …");
  const [smoothed, counts, notes] = [el("dd", {}, "–"), el("dd", {}, "–"), el("div")];
  const words = el(
    "div",
    { class: "words" },
    now,
    el("dl", { class: "facts" }, el("dt", {}, "Smoothed score"), smoothed, el("dt", {}, "Frames"), counts),
    chart.element,
    notes,
  );
  const element = el("div", { class: "result" }, view.element, words);
  let told = null;

  function show({ frame, verdict, smoothed: p, dropped, problem }, sent) {
    counts.textContent = `${sent} sent, ${dropped} dropped`;
    if (problem) {
      notes.replaceChildren(problemCard(new Problem(problem)));
      return;
    }
    draw(view, video, verdict);
    chart.add(verdict.fake_probability, p);
    smoothed.textContent = score(p);
    now.replaceChildren(badge(verdict.verdict, verdict.fake_probability));
    notes.replaceChildren(...[untrainedWarning(verdict.model)].filter(Boolean));
    told = tell(verdict, p, told, frame);
  }

  return { element, video, show };
}

/** Frames may be smaller than what the camera shows. */
function draw(view, video, verdict) {
  const scale = video.videoWidth / verdict.width;
  view.draw(verdict.faces.map((face) => ({ ...face, box: face.box.map((value) => value * scale) })));
}

/** Speaks when the verdict changes, not eight times a second. */
function tell(verdict, smoothed, told) {
  const word = verdict.verdict === "no_face" || smoothed === null ? "no_face" : wordFor(smoothed);
  if (word !== told) announce(`Live: ${VERDICTS[word].word}`);
  return word;
}
