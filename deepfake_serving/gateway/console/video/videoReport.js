/** Report of a video: verdict, player with its timeline, shots and their faces. */

import { modelDetails } from "../components/modelDetails.js";
import { el, facts } from "../lib/dom.js";
import { plural, score, duration, timestamp } from "../lib/format.js";
import { player } from "./player.js";
import { saveButtons } from "../lib/download.js";
import { shotList } from "./shotList.js";
import { highestFrame, ranked } from "./suspiciousFrames.js";
import { timeline } from "./timeline.js";
import { verdictSummary, untrainedWarning } from "../components/verdicts.js";

const SUBJECT = {
  shots: "is the score of the most suspicious face",
  mean: "is the mean score of all faces",
  confident: "is the mean score of the faces the model is sure of",
  fake_frame_ratio: "is the share of frames with a face that look fake",
};

/** @param {Object} job a succeeded job */
export function videoReport(job) {
  const { result } = job;
  const screen = player(job);
  const chart = timeline(result, screen.seek);
  const shots = shotList(result.shots, screen.seek);
  screen.onTime((seconds) => {
    chart.at(seconds);
    shots.at(seconds);
  });
  const [shot] = ranked(result.shots);
  const frame = shot ? highestFrame(shot) : null;
  if (frame) screen.seek(frame.t_s);
  return el(
    "article",
    {},
    warnings(job),
    el(
      "div",
      { class: "result" },
      el("div", { class: "watch" }, screen.element, chart.element),
      el(
        "div",
        { class: "result-text" },
        verdictSummary(result.verdict, result.fake_probability, subject(result, shot, frame)),
        untrainedWarning(result.model),
        figures(result),
        modelDetails(result),
        saveButtons("video-verdict", job),
      ),
    ),
    shots.element,
  );
}

function subject({ aggregation }, shot, frame) {
  const place = aggregation === "shots" && frame ? ` (shot ${shot.number}, ${timestamp(frame.t_s)})` : "";
  return `${SUBJECT[aggregation]}${place}`;
}

function warnings({ result, cached }) {
  const notes = [...result.warnings];
  if (!result.complete)
    notes.unshift("Only a part of this video could be read: the verdict covers that part.");
  return el(
    "div",
    {},
    notes.map((note) => el("p", { class: "notice warn" }, note)),
    cached
      ? el(
          "p",
          { class: "notice" },
          "This video was analysed before with the same model and options; that result is shown.",
        )
      : null,
  );
}

function figures(result) {
  const ratio = result.fake_frame_ratio;
  return facts([
    ["Frames analysed", `${result.frames_analyzed} (${result.frames_with_face} with a face)`],
    ["Fake frames", ratio === null ? null : `${Math.round(ratio * 100)} % of those with a face`],
    [
      "Spread of the most suspicious face",
      result.uncertainty === null ? null : `±\u00a0${score(result.uncertainty)} from frame to frame`,
    ],
    ["Shots", plural(result.shots.length, "shot")],
    ["Length", result.duration_s === null ? "unknown" : duration(result.duration_s)],
    [
      "Frame rate",
      result.frame_rate === null ? "varies" : `${Number(result.frame_rate.toFixed(2))} per second`,
    ],
  ]);
}
