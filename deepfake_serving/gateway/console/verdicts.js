/** The four verdicts: their words, what they mean and don't, their shapes, the scale of scores. */

import { el, svg } from "./dom.js";
import { score } from "./format.js";

export const SUSPICIOUS_FROM = 0.4;
export const FAKE_ABOVE = 0.6;

export const VERDICTS = {
  real: {
    word: "Likely real",
    meaning: "The model saw no sign of a swapped or generated face.",
    limits:
      "This isn't proof that the picture is genuine: a new or a careful forgery can go unseen, and only faces are judged, not what surrounds them.",
  },
  suspicious: {
    word: "Suspicious",
    meaning: "The score lies where the model can't tell real from fake.",
    limits: "Treat it as unknown: look for the source, for a better copy, for other evidence.",
  },
  fake: {
    word: "Likely fake",
    meaning: "At least one face looks swapped or generated to the model.",
    limits:
      "This isn't proof of a forgery: heavy compression, filters, make-up and poor light can look alike. It doesn't say who made it, how, or why.",
  },
  no_face: {
    word: "No face found",
    meaning: "No face was found, so nothing was judged.",
    limits: "This doesn't mean “real”: faces that are small, turned away, covered or blurred can be missed.",
  },
};

const CIRCLE = "M8 1.2a6.8 6.8 0 1 1 0 13.6a6.8 6.8 0 0 1 0-13.6z";
const SHAPES = {
  real: [CIRCLE, "M4.9 8.2l2.2 2.2l4-4.5"],
  suspicious: ["M8 1.6L15.2 14.2H.8z", "M8 6.2v3.6M8 11.9v.2"],
  fake: ["M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z", "M5.5 5.5l5 5M10.5 5.5l-5 5"],
  no_face: [CIRCLE, "M5 8h6"],
};

/** A verdict differs by shape as well as by colour. */
export function shape(verdict) {
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
  return el("span", { class: `badge ${verdict}` }, shape(verdict), VERDICTS[verdict].word, figure);
}

/** What a probability alone would be called; the thresholds of the served models. */
export function wordFor(probability) {
  if (probability < SUSPICIOUS_FROM) return "real";
  return probability <= FAKE_ABOVE ? "suspicious" : "fake";
}

/** Where a score lies between real and fake. */
export function meter(probability) {
  const marker = el("span", { class: "marker" });
  marker.style.left = `${probability * 100}%`;
  const label = `Score ${score(probability)} on a scale from 0, real, to 1, fake`;
  const ends = ["0", "0.40", "0.60", "1"].map((text) => el("span", {}, text));
  return el(
    "div",
    { class: "meter", role: "img", "aria-label": label },
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

/** The verdict in words, with its score, what it means, and what it doesn't. */
export function finding(verdict, probability, subject) {
  const { word, meaning, limits } = VERDICTS[verdict];
  const figure =
    probability === null
      ? null
      : el("p", { class: "big-score" }, el("strong", {}, score(probability)), ` ${subject}`);
  return el(
    "div",
    { class: `finding ${verdict}` },
    el("h2", { class: "verdict" }, shape(verdict), word),
    figure,
    probability === null ? null : meter(probability),
    el("p", {}, meaning),
    el("p", { class: "limits" }, limits),
  );
}

/** Scores of a model without trained weights must not be taken for an answer. */
export function untrainedWarning(model) {
  if (model.trained) return null;
  return el(
    "p",
    { class: "notice warn" },
    el("strong", {}, "This model is untrained. "),
    `“${model.name}” carries no trained weights: its scores have no meaning and only show how the service works.`,
  );
}
