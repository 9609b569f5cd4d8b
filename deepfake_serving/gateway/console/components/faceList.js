/** The list of faces; hover or focus highlights a face's box. */

import { el } from "../lib/dom.js";
import { plural, score } from "../lib/format.js";
import { badge } from "./verdicts.js";

const SMALL_PX = 100; // half of the fakes this small pass as real, by the model card

/**
 * @param {Array} faces of an ImageVerdict
 * @param {Function} highlight called with a face's index, or null
 */
export function faceList(faces, highlight) {
  if (!faces.length) return null;
  const heading = el("h3", { id: "faces-heading" }, plural(faces.length, "face"));
  return el(
    "section",
    { "aria-labelledby": "faces-heading" },
    heading,
    el("ol", { class: "faces" }, faces.map(item)),
  );

  function item(face, index) {
    const on = () => highlight(index);
    const off = () => highlight(null);
    return el(
      "li",
      { tabindex: "0", onpointerenter: on, onfocus: on, onpointerleave: off, onblur: off },
      el("span", { class: "face-name" }, `Face ${index + 1}`),
      badge(face.verdict, face.fake_probability),
      el("span", { class: "fine-print" }, details(face)),
      isSmall(face) ? el("span", { class: "fine-print small-face" }, "Small face: a fake is easily missed.") : null,
    );
  }
}

function isSmall({ box: [x1, y1, x2, y2] }) {
  return Math.max(x2 - x1, y2 - y1) < SMALL_PX;
}

function details(face) {
  const [x1, y1, x2, y2] = face.box.map(Math.round);
  const models = Object.entries(face.models);
  const scores = models.length > 1 ? ` · ${models.map(([name, p]) => `${name} ${score(p)}`).join(", ")}` : "";
  return `${x2 - x1} × ${y2 - y1} px · detected with confidence ${score(face.detection_confidence)}${scores}`;
}
