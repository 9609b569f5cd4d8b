/** The verdict card: label, score on its scale, meaning, caveat, and what was not looked for. */

import { el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { t } from "../messages.js";
import { kinds, ranges } from "./scale.js";
import { standouts } from "./standouts.js";
import { verdictIcon, verdictLabel } from "./verdicts.js";

/**
 * @param {Object} whole the verdict of an image, a video or a live source
 * @param {string} subject what its score is of
 * @param {Object} scale of the model
 */
export function verdictSummary(whole, subject, scale) {
  const { verdict, fake_probability: probability } = whole;
  const figure =
    probability === null
      ? null
      : el("p", { class: "big-score" }, el("strong", {}, score(probability)), ` ${subject}`);
  return el(
    "div",
    { class: `finding ${verdict}` },
    el("h2", { class: "verdict" }, verdictIcon(verdict), verdictLabel(verdict)),
    figure,
    probability === null ? null : meter(probability, scale),
    explanation(verdict, scale, standouts(whole)).map(([name, text]) => el("p", { class: name }, text)),
    cardLink(scale),
  );
}

/**
 * Returns the sentences that explain a verdict, by the model's card: pairs of class and text.
 * @param {string|null} exceptions names faces that are worse by themselves
 */
export function explanation(verdict, { card }, exceptions = null) {
  const detects = card?.detects.length ? kinds(card.detects) : t("kind.unknown");
  const meaning = exceptions && verdict === "real" ? "verdict.real.together" : `verdict.${verdict}.meaning`;
  return [
    ["meaning", t(meaning, { detects })],
    exceptions ? ["meaning standouts", exceptions] : null,
    ["caveat", t(`verdict.${verdict}.caveat`)],
    card?.excludes.length ? ["caveat excluded", t("card.excludes", { kinds: kinds(card.excludes) })] : null,
  ].filter(Boolean);
}

export function cardLink({ card }) {
  if (!card?.url) return null;
  const link = { href: card.url, target: "_blank", rel: "noopener noreferrer" };
  return el("p", { class: "caveat" }, el("a", link, t("card.link")));
}

/** Draws a score on the scale from real to fake; without thresholds it has no bands. */
export function meter(probability, scale) {
  const marker = el("span", { class: "marker" });
  marker.style.left = `${probability * 100}%`;
  const spans = ranges(scale);
  const bands = el(
    "div",
    { class: "bands" },
    spans.map(([verdict]) => el("i", { class: verdict })),
    marker,
  );
  bands.style.gridTemplateColumns = spans.map(([, from, to]) => `${Math.max(to - from, 0.001) * 100}fr`).join(" ");
  const ends = [...new Set([0, ...spans.map(([, , to]) => to), 1])];
  return el(
    "div",
    { class: "meter", role: "img", "aria-label": t("meter.description", { score: score(probability) }) },
    bands,
    el("div", { class: "ends" }, ends.map(end)),
  );
}

function end(value) {
  const text = el("span", {}, value % 1 ? score(value) : String(value));
  if (value % 1) text.style.left = `${value * 100}%`;
  return text;
}

/** Warns if the model has no trained weights, because its scores are meaningless. */
export function untrainedWarning(model) {
  if (model.trained) return null;
  return el(
    "p",
    { class: "notice warn" },
    el("strong", {}, t("untrained.title")),
    " ",
    t("untrained.text", { model: model.name }),
  );
}
