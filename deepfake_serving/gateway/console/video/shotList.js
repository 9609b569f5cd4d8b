/** The shots of a video, highest score first; the selected one shows its faces. */

import { setSource } from "../api/mediaSource.js";
import { el } from "../lib/dom.js";
import { clock, plural, timestamp, score } from "../lib/format.js";
import { badge } from "../components/verdicts.js";
import { zoomable } from "../lib/zoom.js";
import { highestFrame, ranked } from "./suspiciousFrames.js";

/** @returns {{element, at(seconds)}} */
export function shotList(shots, seek) {
  if (!shots.length) return { element: null, at: () => null };
  const ordered = ranked(shots);
  const faces = el("div", { class: "tracks" });
  const buttons = new Map(ordered.map((shot) => [shot, shotButton(shot, () => select(shot, true))]));
  const element = el(
    "section",
    { class: "shots", "aria-labelledby": "shots-heading" },
    el("h2", { id: "shots-heading" }, shots.length > 1 ? "Shots, highest score first" : "One shot"),
    el(
      "ol",
      { class: "shot-list" },
      ordered.map((shot) => el("li", {}, buttons.get(shot))),
    ),
    faces,
  );

  function select(shot, jump) {
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", String(other === shot));
    faces.replaceChildren(...tracksOf(shot, seek));
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
    el("span", { class: "shot-name" }, `Shot ${shot.number}`),
    el(
      "span",
      { class: "fine-print" },
      `${timestamp(shot.start_s)} – ${timestamp(shot.end_s)} · ${plural(shot.tracks.length, "face")}`,
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

function tracksOf(shot, seek) {
  const heading = el("h3", {}, `Faces of shot ${shot.number}`);
  if (!shot.tracks.length)
    return [heading, el("p", {}, "No face was found in this shot, so nothing was scored in it.")];
  return [
    heading,
    el(
      "div",
      { class: "track-list" },
      shot.tracks.map((track, number) => trackCard(track, number, seek)),
    ),
  ];
}

function trackCard(track, number, seek) {
  const { frames } = track;
  const sorted = [...frames].sort((a, b) => a.fake_probability - b.fake_probability);
  const images = [
    frameButton(track.keyframe, "Most suspicious frame", sorted.at(-1), seek),
    frameButton(track.median_frame, "Typical frame", sorted[Math.floor((sorted.length - 1) / 2)], seek),
  ];
  const summary = `${plural(frames.length, "analysed frame")}, ${clock(frames[0].t_s)} – ${clock(frames.at(-1).t_s)}, spread ±\u00a0${score(track.spread)}`;
  return el(
    "article",
    { class: `card track-card track-${number % 6}` },
    el(
      "h4",
      {},
      el("span", { class: "swatch", "aria-hidden": "true" }),
      `Face ${number + 1}`,
      badge(track.verdict, track.fake_probability),
    ),
    el("div", { class: "track-images" }, images),
    el("p", { class: "fine-print" }, summary),
  );
}

function frameButton(path, name, frame, seek) {
  if (!path) return null;
  const image = setSource(el("img", { alt: "", width: 120, height: 120 }), path);
  const caption = `${name}, ${score(frame.fake_probability)} at ${timestamp(frame.t_s)}`;
  const button = el(
    "button",
    { type: "button", class: "frame-button", onclick: () => seek(frame.t_s) },
    image,
    el("span", { class: "fine-print" }, caption),
  );
  zoomable(button, image);
  return button;
}
