/** Plays a job's video with the faces drawn on it. */

import { jobPath } from "../api/client.js";
import { setSource } from "../api/mediaSource.js";
import { faceOverlay } from "../components/faceOverlay.js";
import { verdictFor } from "../components/scale.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";

const NEAR_S = 0.5; // a face analysed longer ago has moved

/** @returns {{element, seek(seconds), onTime(listener)}} */
export function player(job, scale) {
  const { result } = job;
  const video = el("video", {
    controls: true,
    preload: "metadata",
    playsinline: true,
    muted: true,
    "aria-label": t("video.player", { name: job.source.name }),
  });
  const view = faceOverlay(video, result.width, result.height);
  const note = el(
    "p",
    { class: "notice", hidden: true },
    t("video.unplayable"),
  );
  const element = el("div", {}, view.element, note);
  const listeners = [];
  let target = 0;
  let first = null; // size of the first frame, as the browser shows it

  const update = (seconds) => {
    view.draw(facesAt(result.shots, seconds, scale));
    for (const listener of listeners) listener(seconds);
  };
  const tick = () => {
    update(video.currentTime);
    if (!video.paused && !video.ended) requestAnimationFrame(tick);
  };

  video.muted = true; // the attribute alone has no effect on elements created by script
  video.addEventListener("loadedmetadata", () => {
    first = { width: video.videoWidth, height: video.videoHeight };
    if (target) video.currentTime = target;
  });
  // The size may change midway. Boxes are in pixels of their own frame, in the scale of the first.
  video.addEventListener("resize", () => {
    if (!first || !video.videoWidth) return;
    const { videoWidth, videoHeight } = video;
    view.resize((result.width * videoWidth) / first.width, (result.height * videoHeight) / first.height);
    update(video.currentTime);
  });
  video.addEventListener("play", tick);
  video.addEventListener("seeked", tick);
  video.addEventListener("loadeddata", tick);
  video.addEventListener("error", () => {
    note.hidden = false;
    view.element.classList.add("blank");
    update(target);
  });
  if (job.links?.media) setSource(video, jobPath(job.id, "/media"));
  else video.dispatchEvent(new Event("error"));

  /** @param {number} seconds from the video's first frame */
  function seek(seconds) {
    target = seconds;
    if (video.readyState) video.currentTime = seconds;
    else update(seconds);
  }

  return { element, seek, onTime: (listener) => listeners.push(listener) };
}

/** Returns the nearest analysed face of each track. */
function facesAt(shots, seconds, scale) {
  const shot = shots.find(({ start_s: start, end_s: end }) => start <= seconds && seconds < end);
  if (!shot) return [];
  const nearest = shot.tracks.map(({ frames }) =>
    frames.reduce((best, frame) =>
      Math.abs(frame.t_s - seconds) < Math.abs(best.t_s - seconds) ? frame : best,
    ),
  );
  return nearest
    .filter((frame) => Math.abs(frame.t_s - seconds) <= NEAR_S)
    .map((frame) => ({ ...frame, verdict: verdictFor(frame.fake_probability, scale) }));
}
