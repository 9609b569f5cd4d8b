/** The list of faces; hover or focus highlights a face's box. */

import { el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { t } from "../messages.js";
import { feedbackButton } from "./feedback.js";
import { memberScores } from "./memberScores.js";
import { isSmall } from "./scale.js";
import { badge } from "./verdicts.js";

/**
 * @param {Array} faces of an ImageVerdict
 * @param {Object} scale of the model
 * @param {Function} highlight called with a face's index, or null
 * @param {string|null} id of the image's verdict, where faces can be labelled one by one
 */
export function faceList(faces, scale, highlight, id = null) {
  if (!faces.length) return null;
  const heading = el("h3", { id: "faces-heading" }, t("faces", { count: faces.length }));
  return el(
    "section",
    { "aria-labelledby": "faces-heading" },
    heading,
    el("ol", { class: "faces" }, faces.map(item)),
  );

  function item(face, index) {
    const on = () => highlight(index);
    const off = () => highlight(null);
    const name = t("face.number", { n: index + 1 });
    return el(
      "li",
      { tabindex: "0", onpointerenter: on, onfocus: on, onpointerleave: off, onblur: off },
      el("span", { class: "face-name" }, name),
      badge(face.verdict, face.fake_probability),
      el("span", { class: "fine-print" }, details(face)),
      isSmall(face, scale) ? el("span", { class: "fine-print small-face" }, t("face.small")) : null,
      memberScores(face.models, scale),
      id ? feedbackButton({ id, verdict: face.verdict, name, part: { face: index } }) : null,
    );
  }
}

function details(face) {
  const [x1, y1, x2, y2] = face.box.map(Math.round);
  const confidence = t("face.confidence", { score: score(face.detection_confidence) });
  return `${x2 - x1} × ${y2 - y1} px · ${confidence}`;
}
