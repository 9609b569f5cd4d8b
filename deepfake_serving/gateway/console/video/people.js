/** The same person in several shots, where the service has a model that finds them. */

import { setSource } from "../api/mediaSource.js";
import { badge } from "../components/verdicts.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";

/**
 * @param {Array} shots of a VideoVerdict
 * @param {Function} select called with the index of a shot
 * @returns {HTMLElement|null} null where no person has several faces
 */
export function people(shots, select) {
  const groups = [...byPerson(shots)].filter(([, faces]) => faces.length > 1);
  if (!groups.length) return null;
  return el(
    "section",
    { class: "people", "aria-labelledby": "people-heading" },
    el("h3", { id: "people-heading" }, t("people.heading")),
    el("p", { class: "fine-print" }, t("people.meaning")),
    groups.map(([person, faces]) => group(person, faces, select)),
  );
}

/** Returns the faces of each person, in their order in the video. */
function byPerson(shots) {
  const found = new Map();
  shots.forEach(({ tracks }, shot) =>
    tracks.forEach((track, face) => {
      if (track.person === null || track.person === undefined) return;
      found.set(track.person, [...(found.get(track.person) ?? []), { track, shot, face }]);
    }),
  );
  return found;
}

function group(person, faces, select) {
  return el(
    "section",
    {},
    el("h4", {}, t("people.person", { n: person, count: faces.length })),
    el(
      "ul",
      { class: "person-faces" },
      faces.map((face) => el("li", {}, faceButton(face, select))),
    ),
  );
}

function faceButton({ track, shot, face }, select) {
  const name = t("people.face", { shot: shot + 1, face: face + 1 });
  const image = track.keyframe ? setSource(el("img", { alt: "", width: 120, height: 120 }), track.keyframe) : null;
  return el(
    "button",
    { type: "button", class: "frame-button", onclick: () => select(shot) },
    image,
    el("span", { class: "fine-print" }, name),
    badge(track.verdict, track.fake_probability),
  );
}
