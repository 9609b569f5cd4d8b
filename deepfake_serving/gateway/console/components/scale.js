/** How to read a model's scores: its thresholds and its card, as the service names them. */

import { info } from "../api/client.js";
import { alternatives, hasText, t } from "../messages.js";

/** A model of which the service says nothing: scores without labels. */
export const UNKNOWN = { thresholds: null, card: null };

/** @returns {Promise<{thresholds, card}>} of the model that made a verdict */
export async function scaleOf(model) {
  return find((models) => models.find(({ name }) => name === model?.name));
}

/** @returns {Promise<{thresholds, card}>} of the model that analyses what names no other */
export async function defaultScale() {
  return find((models) => models.find(({ name }) => name === "detector") ?? models[0]);
}

/** A gateway that started a moment ago knows no models yet; the second look is at a new document. */
async function find(choose) {
  for (const fresh of [false, true]) {
    try {
      const found = choose((await info(fresh)).models ?? []);
      if (found) return found;
    } catch {
      return UNKNOWN; // the footer shows the error
    }
  }
  return UNKNOWN;
}

/** Returns the verdict of a probability; null where the thresholds are unknown. */
export function verdictFor(probability, { thresholds }) {
  if (!thresholds) return null;
  if (probability < thresholds.suspicious_from) return "real";
  return probability <= thresholds.fake_above ? "suspicious" : "fake";
}

/** Returns the ranges of the verdicts, lowest first: `[verdict, from, to]`. */
export function ranges({ thresholds }) {
  if (!thresholds) return [];
  const { suspicious_from: low, fake_above: high } = thresholds;
  return [
    ["real", 0, low],
    ["suspicious", low, high],
    ["fake", high, 1],
  ];
}

/** Returns whether fakes are often missed in faces of this size. */
export function isSmall({ box: [x1, y1, x2, y2] }, { card }) {
  return Boolean(card) && Math.max(x2 - x1, y2 - y1) < card.min_face_px;
}

/** Names kinds of manipulation: "swapped faces or lips moved to other words". */
export function kinds(names) {
  return alternatives(names.map((name) => (hasText(`kind.${name}`) ? t(`kind.${name}`) : name)));
}
