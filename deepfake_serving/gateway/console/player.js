/** Plays a job's video with the judged faces drawn on it. */

import { jobPath } from "./api.js";
import { source } from "./blobs.js";
import { el } from "./dom.js";
import { stage } from "./stage.js";
import { wordFor } from "./verdicts.js";

const NEAR_S = 0.5; // a face that was judged longer ago has moved

/** @returns {{element, seek(seconds), onTime(listener)}} */
export function player(job) {
  const { result } = job;
  const video = el("video", {
    controls: true,
    preload: "metadata",
    playsinline: true,
    muted: true,
    "aria-label": `The video ${job.source.name}`,
  });
  const view = stage(video, result.width, result.height);
  const note = el(
    "p",
    { class: "notice", hidden: true },
    "Your browser can't play this video; its timeline and its pictures still work.",
  );
  const element = el("div", {}, view.element, note);
  const listeners = [];
  let wanted = 0;

  const tell = (seconds) => {
    view.draw(facesAt(result.shots, seconds));
    for (const listener of listeners) listener(seconds);
  };
  const tick = () => {
    tell(video.currentTime);
    if (!video.paused && !video.ended) requestAnimationFrame(tick);
  };

  video.muted = true; // the attribute alone doesn't do it for elements made by script
  video.addEventListener("play", tick);
  video.addEventListener("seeked", tick);
  video.addEventListener("loadeddata", tick);
  video.addEventListener("error", () => {
    note.hidden = false;
    view.element.classList.add("blank");
    tell(wanted);
  });
  if (job.links?.media) source(video, jobPath(job.id, "/media"));
  else video.dispatchEvent(new Event("error"));

  /** Seconds from the video's first frame. */
  function seek(seconds) {
    wanted = seconds;
    if (video.readyState) video.currentTime = seconds;
    else tell(seconds);
  }

  return { element, seek, onTime: (listener) => listeners.push(listener) };
}

/** Of each track the face judged nearest in time. */
function facesAt(shots, seconds) {
  const shot = shots.find(({ start_s: start, end_s: end }) => start <= seconds && seconds < end);
  if (!shot) return [];
  const nearest = shot.tracks.map(({ frames }) =>
    frames.reduce((best, frame) =>
      Math.abs(frame.t_s - seconds) < Math.abs(best.t_s - seconds) ? frame : best,
    ),
  );
  return nearest
    .filter((frame) => Math.abs(frame.t_s - seconds) <= NEAR_S)
    .map((frame) => ({ ...frame, verdict: wordFor(frame.fake_probability) }));
}
