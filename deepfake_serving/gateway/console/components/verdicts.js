/** The four verdicts: labels, meanings and caveats, icons, and the score scale. */

import { el, svg } from "../lib/dom.js";
import { score } from "../lib/format.js";

export const SUSPICIOUS_FROM = 0.4;
export const FAKE_ABOVE = 0.6;

export const VERDICTS = {
  real: {
    label: "Likely real",
    meaning: "The model saw no sign of a face swap. It was not made to find faces that were generated as a whole.",
    caveat:
      "This isn't proof that the image is genuine: a new or careful forgery can go undetected, and only faces are analysed, not what surrounds them.",
  },
  suspicious: {
    label: "Suspicious",
    meaning: "The score is in the range where the model can't distinguish real from fake.",
    caveat: "Treat it as unknown: look for the source, a better copy or other evidence.",
  },
  fake: {
    label: "Likely fake",
    meaning: "At least one face looks swapped to the model.",
    caveat:
      "This isn't proof of a forgery: heavy compression, filters, make-up and poor light can look the same. It doesn't say who made it, how, or why.",
  },
  no_face: {
    label: "No face found",
    meaning: "No face was found, so nothing was scored.",
    caveat: "This doesn't mean “real”: faces that are small, turned away, covered or blurred can be missed.",
  },
};

const CIRCLE = "M8 1.2a6.8 6.8 0 1 1 0 13.6a6.8 6.8 0 0 1 0-13.6z";
const SHAPES = {
  real: [CIRCLE, "M4.9 8.2l2.2 2.2l4-4.5"],
  suspicious: ["M8 1.6L15.2 14.2H.8z", "M8 6.2v3.6M8 11.9v.2"],
  fake: ["M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z", "M5.5 5.5l5 5M10.5 5.5l-5 5"],
  no_face: [CIRCLE, "M5 8h6"],
};

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
  return el("span", { class: `badge ${verdict}` }, verdictIcon(verdict), VERDICTS[verdict].label, figure);
}

/** Returns the verdict of a probability, by the thresholds of the served models. */
export function verdictFor(probability) {
  if (probability < SUSPICIOUS_FROM) return "real";
  return probability <= FAKE_ABOVE ? "suspicious" : "fake";
}

/** Draws a score on the scale from real to fake. */
export function meter(probability) {
  const marker = el("span", { class: "marker" });
  marker.style.left = `${probability * 100}%`;
  const description = `Score ${score(probability)} on a scale from 0, real, to 1, fake`;
  const ends = ["0", "0.40", "0.60", "1"].map((text) => el("span", {}, text));
  return el(
    "div",
    { class: "meter", role: "img", "aria-label": description },
    el(
      "div",
      { class: "bands" },
      el("i", { class: "real" }),
      el("i", { class: "suspicious" }),
      el("i", { class: "fake" }),
      marker,
    ),
    el("div", { class: "ends" }, ends),
  );
}

/** Describes a verdict: label, score, meaning and caveat. */
export function verdictSummary(verdict, probability, subject) {
  const { label, meaning, caveat } = VERDICTS[verdict];
  const figure =
    probability === null
      ? null
      : el("p", { class: "big-score" }, el("strong", {}, score(probability)), ` ${subject}`);
  return el(
    "div",
    { class: `finding ${verdict}` },
    el("h2", { class: "verdict" }, verdictIcon(verdict), label),
    figure,
    probability === null ? null : meter(probability),
    el("p", {}, meaning),
    el("p", { class: "caveat" }, caveat),
  );
}

/** Warns if the model has no trained weights, because its scores are meaningless. */
export function untrainedWarning(model) {
  if (model.trained) return null;
  return el(
    "p",
    { class: "notice warn" },
    el("strong", {}, "This model is untrained. "),
    `“${model.name}” has no trained weights: its scores have no meaning and only show how the service works.`,
  );
}
