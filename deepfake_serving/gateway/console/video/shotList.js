/** The shots of a video, highest score first; the selected one shows its faces. */

import { setSource } from "../api/mediaSource.js";
import { feedbackButton } from "../components/feedback.js";
import { facesOfTracks, heatmaps } from "../components/heatmaps.js";
import { memberScores } from "../components/memberScores.js";
import { isSmall } from "../components/scale.js";
import { badge } from "../components/verdicts.js";
import { el } from "../lib/dom.js";
import { score, timestamp } from "../lib/format.js";
import { zoomable } from "../lib/zoom.js";
import { t } from "../messages.js";
import { people } from "./people.js";
import { highestFrame, ranked } from "./suspiciousFrames.js";

/** @returns {{element, at(seconds)}} */
export function shotList({ id, result: { shots } }, scale, seek) {
  if (!shots.length) return { element: null, at: () => null };
  const ordered = ranked(shots);
  const faces = el("div", { class: "tracks" });
  const buttons = new Map(ordered.map((shot) => [shot, shotButton(shot, () => select(shot, true))]));
  const element = el(
    "section",
    { class: "shots", "aria-labelledby": "shots-heading" },
    el("h2", { id: "shots-heading" }, t(shots.length > 1 ? "shots.heading" : "shots.one")),
    el(
      "ol",
      { class: "shot-list" },
      ordered.map((shot) => el("li", {}, buttons.get(shot))),
    ),
    faces,
    people(shots, (index) => select(ordered.find(({ number }) => number === index + 1), true)),
  );

  function select(shot, jump) {
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", String(other === shot));
    faces.replaceChildren(...tracksOf(shot, scale, seek, id));
    if (jump) seek(highestFrame(shot)?.t_s ?? shot.start_s);
  }

  /** Marks the shot that plays; the selection stays. */
  function at(seconds) {
    for (const [shot, button] of buttons)
      button.classList.toggle("playing", shot.start_s <= seconds && seconds < shot.end_s);
  }

  select(ordered[0], false);
  return { element, at };
}

function shotButton(shot, onclick) {
  const button = el(
    "button",
    { type: "button", class: "shot-button", onclick },
    el("span", { class: "shot-name" }, t("shot.number", { n: shot.number })),
    el("span", { class: "in-view" }, `▸ ${t("shot.in-view")}`),
    el(
      "span",
      { class: "fine-print" },
      `${timestamp(shot.start_s)} – ${timestamp(shot.end_s)} · ${t("faces", { count: shot.tracks.length })}`,
    ),
    badge(shot.verdict, shot.fake_probability),
  );
  if (shot.strip) {
    const strip = setSource(el("img", { alt: "", class: "strip" }), shot.strip);
    button.prepend(strip);
    zoomable(button, strip);
  }
  return button;
}

function tracksOf(shot, scale, seek, id) {
  const heading = el("h3", {}, t("shot.faces", { n: shot.number }));
  if (!shot.tracks.length) return [heading, el("p", {}, t("shot.no-face"))];
  return [
    heading,
    el(
      "div",
      { class: "track-list" },
      shot.tracks.map((track, number) => trackCard(track, number, scale, seek, id)),
    ),
    heatmaps(facesOfTracks(shot.tracks)) ?? "",
  ];
}

function trackCard(track, number, scale, seek, id) {
  const { frames } = track;
  const name = t("face.number", { n: number + 1 });
  const sorted = [...frames].sort((a, b) => a.fake_probability - b.fake_probability);
  const images = [
    frameButton(track.keyframe, t("frame.suspicious"), sorted.at(-1), seek),
    frameButton(track.median_frame, t("frame.typical"), sorted[Math.floor((sorted.length - 1) / 2)], seek),
  ];
  const range = t("track.range", { low: score(sorted[0].fake_probability), high: score(sorted.at(-1).fake_probability) });
  const analysed = t("track.frames", { count: frames.length });
  const summary = `${analysed}, ${timestamp(frames[0].t_s)} – ${timestamp(frames.at(-1).t_s)}. ${range}`;
  return el(
    "article",
    { class: `card track-card track-${number % 6}` },
    el(
      "h4",
      {},
      el("span", { class: "swatch", "aria-hidden": "true" }),
      name,
      badge(track.verdict, track.fake_probability),
    ),
    el("div", { class: "track-images" }, images),
    el("p", { class: "fine-print" }, summary),
    frames.every((frame) => isSmall(frame, scale))
      ? el("p", { class: "fine-print small-face" }, t("face.small"))
      : null,
    memberScores(track.models ?? {}, scale),
    feedbackButton({ id, verdict: track.verdict, name, part: { track: track.id } }, false),
  );
}

function frameButton(path, name, frame, seek) {
  if (!path) return null;
  const image = setSource(el("img", { alt: "", width: 120, height: 120 }), path);
  const caption = t("frame.caption", { name, score: score(frame.fake_probability), time: timestamp(frame.t_s) });
  const button = el(
    "button",
    { type: "button", class: "frame-button", onclick: () => seek(frame.t_s) },
    image,
    el("span", { class: "fine-print" }, caption),
  );
  zoomable(button, image);
  return button;
}
