/** The members of an ensemble: a bar for each score, who has none and why, and how far they differ. */

import { el } from "../lib/dom.js";
import { percent, score } from "../lib/format.js";
import { hasText, t } from "../messages.js";
import { verdictFor } from "./scale.js";

const WIDE = 0.3; // above it the members contradict each other

/**
 * @param {Object} models of a face or a track: `{fake_probability}` or `{unavailable}` by name
 * @param {Object} scale of the ensemble
 * @returns {Element|null} null for a single model
 */
export function memberScores(models, scale) {
  const members = Object.entries(models);
  if (members.length < 2) return null;
  const scores = members.map(([, member]) => member.fake_probability).filter((value) => value !== undefined);
  return el(
    "div",
    { class: "members" },
    el("ul", {}, members.map(([name, member]) => item(name, member, scale))),
    scores.length > 1 ? difference(Math.min(...scores), Math.max(...scores)) : null,
  );
}

function item(name, { fake_probability: probability, unavailable }, scale) {
  const share = weightShare(name, scale.members);
  return el(
    "li",
    { class: unavailable ? null : verdictFor(probability, scale) },
    el("span", { class: "name" }, name, share === null ? null : el("span", { class: "fine-print" }, ` ${percent(share)}`)),
    unavailable ? el("span", { class: "absent" }, t("members.absent", { reason: reasonOf(unavailable) })) : bar(probability),
    unavailable ? null : el("span", { class: "value" }, score(probability)),
  );
}

function bar(probability) {
  const fill = el("i", {});
  fill.style.width = `${probability * 100}%`;
  return el("span", { class: "member-bar", "aria-hidden": "true" }, fill);
}

/** Returns a member's share of all weights; null where they are unknown or all the same. */
function weightShare(name, members) {
  const weights = (members ?? []).map(({ weight }) => weight);
  const own = members?.find(({ model }) => model === name);
  if (!own || new Set(weights).size < 2) return null;
  return own.weight / weights.reduce((sum, weight) => sum + weight, 0);
}

/** Names a reason in words. @param {string} slug of a problem */
export function reasonOf(slug) {
  return hasText(`problem.${slug}.title`) ? t(`problem.${slug}.title`) : slug;
}

function difference(low, high) {
  const text = t("members.difference", { difference: score(high - low), low: score(low), high: score(high) });
  const wide = high - low > WIDE;
  return el("p", { class: wide ? "fine-print small-face" : "fine-print" }, text, wide ? ` ${t("members.contradict")}` : null);
}
