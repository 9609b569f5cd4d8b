/** Report of a video: verdict, player with its timeline, shots and their faces. */

import { feedbackButton } from "../components/feedback.js";
import { untrainedWarning, verdictSummary } from "../components/finding.js";
import { modelDetails } from "../components/modelDetails.js";
import { warningText } from "../components/warnings.js";
import { el, facts } from "../lib/dom.js";
import { saveButtons } from "../lib/download.js";
import { duration, percent, score, timestamp } from "../lib/format.js";
import { t } from "../messages.js";
import { jobEvidence } from "../report/evidence.js";
import { reportActions, reportSheet } from "../report/report.js";
import { player } from "./player.js";
import { shotList } from "./shotList.js";
import { highestFrame, ranked } from "./suspiciousFrames.js";
import { timeline } from "./timeline.js";

/**
 * @param {Object} job a succeeded job
 * @param {Object} scale of its model
 */
export function videoReport(job, scale) {
  const { result } = job;
  const screen = player(job, scale);
  const chart = timeline(result, scale, screen.seek);
  const shots = shotList(job, scale, screen.seek);
  const evidence = jobEvidence(job, scale);
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
        verdictSummary(result, subject(result, shot, frame), scale),
        untrainedWarning(result.model),
        feedbackButton({ id: job.id, verdict: result.verdict, name: job.source.name }, false),
        figures(result),
        reportActions(evidence),
        modelDetails(result, { parallel: true }),
        saveButtons(job.source.name, job),
      ),
    ),
    shots.element,
    reportSheet(evidence),
  );
}

function subject({ aggregation }, shot, frame) {
  if (aggregation !== "shots" || !frame) return t(`subject.${aggregation}`);
  return `${t("subject.shots")} (${t("timeline.shot", { n: shot.number })}, ${timestamp(frame.t_s)})`;
}

function warnings({ result, cached }) {
  const notes = result.warnings.map(warningText);
  if (!result.complete) notes.unshift(t("video.incomplete"));
  return el(
    "div",
    { class: "notices" },
    notes.map((note) => el("p", { class: "notice warn" }, note)),
    cached ? el("p", { class: "notice" }, t("video.cached")) : null,
  );
}

function figures(result) {
  const ratio = result.fake_frame_ratio;
  const { frames_analyzed: count, frames_with_face: faces, uncertainty } = result;
  return facts([
    [t("video.frames"), t("video.frames-text", { count, faces })],
    [t("video.fake-frames"), ratio === null ? null : t("video.fake-frames-text", { share: percent(ratio) })],
    [t("video.range"), scoreRange(result)],
    [
      t(result.aggregation === "shots" ? "video.spread-face" : "video.spread"),
      uncertainty === null ? null : `±\u00a0${score(uncertainty)}`,
    ],
    [t("video.shots"), String(result.shots.length)],
    [t("video.length"), result.duration_s === null ? t("unknown") : duration(result.duration_s)],
    [
      t("video.rate"),
      result.frame_rate === null
        ? t("unknown")
        : t("video.rate-text", { rate: Number(result.frame_rate.toFixed(2)) }),
    ],
  ]);
}

/** Returns the lowest and the highest score of a face: a spread is that of one face, or of all. */
function scoreRange({ shots }) {
  const scores = shots.flatMap(({ tracks }) => tracks.map((track) => track.fake_probability));
  if (scores.length < 2) return null;
  return t("range", { low: score(Math.min(...scores)), high: score(Math.max(...scores)) });
}
