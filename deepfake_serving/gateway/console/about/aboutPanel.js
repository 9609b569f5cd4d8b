/** About panel: what scores and verdicts mean, and what they don't. */

import { info } from "../api/client.js";
import { asProblem } from "../api/problems.js";
import { cardLink, explanation, meter } from "../components/finding.js";
import { defaultScale, ranges } from "../components/scale.js";
import { badge, VERDICTS } from "../components/verdicts.js";
import { el, facts } from "../lib/dom.js";
import { bytes, duration, score } from "../lib/format.js";
import { t } from "../messages.js";

const QUESTIONS = ["score", "proof", "share", "image", "video", "rest"];

export function aboutPanel() {
  return { title: t("about.title"), open };
}

function open() {
  const article = el("article", { class: "about" }, el("p", { class: "busy loading", role: "status" }, t("page.loading")));
  defaultScale().then((scale) => article.replaceChildren(...sections(scale))); // at once, so that nothing jumps
  return article;
}

function sections(scale) {
  const limits = el("div");
  info().then(
    (service) => limits.replaceChildren(limitsList(service)),
    (error) => limits.replaceChildren(el("p", {}, asProblem(error).title)),
  );
  const questions = QUESTIONS.map((name) =>
    el("section", {}, el("h2", {}, t(`about.${name}.question`)), el("p", {}, t(`about.${name}.text`))),
  );
  return [
    el("p", { class: "lede" }, t("about.lede")),
    el("div", { class: "about" }, scaleSections(scale)),
    ...questions,
    el("section", {}, el("h2", {}, t("about.service")), limits),
  ];
}

function scaleSections(scale) {
  const cards = VERDICTS.map((verdict) =>
    el(
      "section",
      { class: "card" },
      el("h2", {}, badge(verdict)),
      el("p", { class: "fine-print" }, rangeText(verdict, scale)),
      explanation(verdict, scale)
        .filter(([name]) => name !== "caveat excluded")
        .map(([, text]) => el("p", {}, text)),
    ),
  );
  const excluded = explanation("real", scale).filter(([name]) => name === "caveat excluded");
  return [
    el("div", { class: "example" }, meter(0.5, scale)),
    el("div", { class: "cards" }, cards),
    ...excluded.map(([, text]) => el("p", { class: "notice" }, text)),
    cardLink(scale),
  ].filter(Boolean);
}

function rangeText(verdict, scale) {
  const [, low, high] = ranges(scale).find(([name]) => name === verdict) ?? [];
  if (low === undefined) return t("about.no-score");
  if (low === 0) return t("about.below", { high: score(high) });
  return high === 1 ? t("about.above", { low: score(low) }) : t("range", { low: score(low), high: score(high) });
}

function limitsList({ version, limits }) {
  return facts([
    [t("details.version"), version],
    [t("about.max-image"), bytes(limits.max_image_bytes)],
    [t("about.max-video"), bytes(limits.max_video_bytes)],
    [t("about.max-length"), limits.max_video_s ? duration(limits.max_video_s) : null],
  ]);
}
