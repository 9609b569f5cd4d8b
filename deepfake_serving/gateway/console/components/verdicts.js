/** The four verdicts: labels and icons. */

import { el, svg } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { t } from "../messages.js";

export const VERDICTS = ["real", "suspicious", "fake", "no_face"];

const CIRCLE = "M8 1.2a6.8 6.8 0 1 1 0 13.6a6.8 6.8 0 0 1 0-13.6z";
const SHAPES = {
  real: [CIRCLE, "M4.9 8.2l2.2 2.2l4-4.5"],
  suspicious: ["M8 1.6L15.2 14.2H.8z", "M8 6.2v3.6M8 11.9v.2"],
  fake: ["M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z", "M5.5 5.5l5 5M10.5 5.5l-5 5"],
  no_face: [CIRCLE, "M5 8h6"],
};

export function verdictLabel(verdict) {
  return t(`verdict.${verdict}`);
}

/** Draws a verdict's icon. Verdicts differ by shape as well as by colour. */
export function verdictIcon(verdict) {
  const [outline, mark] = SHAPES[verdict];
  return svg(
    "svg",
    { class: `shape ${verdict}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { class: "outline", d: outline }),
    svg("path", { class: "mark", d: mark }),
  );
}

export function badge(verdict, probability = null) {
  const figure = probability === null ? null : el("span", { class: "figure" }, score(probability));
  return el("span", { class: `badge ${verdict}` }, verdictIcon(verdict), verdictLabel(verdict), figure);
}
