/** A report to hand over: printed (or saved as PDF by the browser), as JSON, or as a link. */

import { reasonOf } from "../components/memberScores.js";
import { stateText } from "../components/provenance.js";
import { kinds } from "../components/scale.js";
import { announce, el, facts } from "../lib/dom.js";
import { baseName, download, formatJson } from "../lib/download.js";
import { bytes, dateTime, score } from "../lib/format.js";
import { hasText, t } from "../messages.js";

const READING = "https://github.com/deepfake-serving/deepfake-serving/blob/main/docs/console.md#how-to-read-it";

/** @param {Promise<Object>} evidence as of report/evidence.js */
export function reportActions(evidence) {
  const save = async () => {
    const document = await evidence;
    download(`${baseName(document.source.name)}-report.json`, "application/json", formatJson(document));
  };
  const copy = button(t("report.copy-link"), async () => {
    await navigator.clipboard.writeText((await evidence).link);
    copy.textContent = t("action.copied");
    announce(t("report.link-copied"));
  });
  copy.hidden = true;
  evidence.then(({ link }) => (copy.hidden = !link || !navigator.clipboard));
  const how = el("a", { href: READING, target: "_blank", rel: "noopener noreferrer" }, t("report.how"));
  return el(
    "section",
    { class: "report-actions" },
    el("h3", {}, t("report.title")),
    el("div", { class: "actions" }, button(t("report.print"), () => print()), button(t("report.json"), save), copy),
    el("p", { class: "fine-print" }, how),
  );
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}

/** Returns the facts behind a verdict, which only the printed page shows. */
export function reportSheet(evidence) {
  const sheet = el("section", { class: "report-sheet" });
  evidence.then((document) => sheet.append(el("h2", {}, t("report.title")), facts(rows(document))));
  return sheet;
}

function rows({ source, analysed_at: at, thresholds, options, model, members, provenance, card, service, link }) {
  return [
    [t("report.file"), source.name],
    [t("report.size"), bytes(source.bytes)],
    [t("report.sha256"), source.sha256],
    [t("report.analysed"), dateTime(at)],
    [t("report.service"), service ? `${service.name} ${service.version}` : null],
    [t("details.model"), `${model.name} ${model.version}`],
    [t("details.digest"), model.digest],
    [t("report.members"), members?.map(memberText).join(", ")],
    [t("origin.heading"), provenance ? stateText(provenance) : null],
    [t("report.thresholds"), thresholds ? thresholdsText(thresholds) : null],
    [t("report.options"), Object.entries(options).map(optionText).join(", ")],
    [t("report.excludes"), card?.excludes.length ? kinds(card.excludes) : null],
    [t("report.small"), card?.min_face_px ? `${card.min_face_px} px` : null],
    [t("card.link"), card?.url],
    [t("report.link"), link],
  ];
}

/** Names an option and its value; those without a text are shown as they are. */
function optionText([name, value]) {
  const key = name === "model" ? "details.model" : `options.${name}`;
  const known = typeof value === "boolean" ? (value ? "yes" : "no") : `${name}.${value}`;
  return `${hasText(key) ? t(key) : name}: ${hasText(known) ? t(known) : value}`;
}

function memberText({ model, weight, unavailable }) {
  const text = t("report.member", { model, weight });
  return unavailable ? `${text}: ${t("members.absent", { reason: reasonOf(unavailable) })}` : text;
}

function thresholdsText({ suspicious_from: low, fake_above: high }) {
  return t("report.thresholds-text", { low: score(low), high: score(high) });
}
