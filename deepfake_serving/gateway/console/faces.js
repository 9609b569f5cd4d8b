/** The judged faces as a list; hover or focus lights up a face's box. */

import { el } from "./dom.js";
import { many, score } from "./format.js";
import { badge } from "./verdicts.js";

/**
 * @param {Array} faces of an ImageVerdict
 * @param {Function} highlight takes a face's place, or null
 */
export function faceList(faces, highlight) {
  if (!faces.length) return null;
  const heading = el("h3", { id: "faces-heading" }, many(faces.length, "face"));
  return el(
    "section",
    { "aria-labelledby": "faces-heading" },
    heading,
    el("ol", { class: "faces" }, faces.map(item)),
  );

  function item(face, place) {
    const light = () => highlight(place);
    const dark = () => highlight(null);
    return el(
      "li",
      { tabindex: "0", onpointerenter: light, onfocus: light, onpointerleave: dark, onblur: dark },
      el("span", { class: "face-name" }, `Face ${place + 1}`),
      badge(face.verdict, face.fake_probability),
      el("span", { class: "fine" }, details(face)),
    );
  }
}

function details(face) {
  const [x1, y1, x2, y2] = face.box.map(Math.round);
  const models = Object.entries(face.models);
  const voices = models.length > 1 ? ` · ${models.map(([name, p]) => `${name} ${score(p)}`).join(", ")}` : "";
  return `${x2 - x1} × ${y2 - y1} px · found with confidence ${score(face.detection_confidence)}${voices}`;
}
