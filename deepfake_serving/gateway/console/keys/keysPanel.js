/** API keys panel, for keys with the scope admin: what each key may do, and what it has used on a day. */

import { fetchJson } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { el, facts } from "../lib/dom.js";
import { bytes, dateTime, duration } from "../lib/format.js";
import { t } from "../messages.js";

const UNITS = ["requests", "images", "bytes", "video_seconds"];
const COMMAND = "deepfake-serving key NAME --scopes images,jobs >> keys.yaml";

export function keysPanel() {
  return { title: t("keys.title"), open };
}

function open() {
  const output = el("div", { class: "output" }, el("p", { class: "busy loading", role: "status" }, t("page.loading")));
  const help = howTo();
  help.hidden = true; // until what is above it has its size
  const day = el("input", { id: "usage-day", type: "date", onchange: () => load() });
  const refresh = el("button", { type: "button", onclick: () => load() }, t("keys.refresh"));

  async function load() {
    try {
      const query = day.value ? `?day=${day.value}` : "";
      const [{ required, keys }, usage] = await Promise.all([fetchJson("/v1/keys"), fetchJson(`/v1/usage${query}`)]);
      day.value ||= usage.day;
      day.max ||= usage.day;
      output.replaceChildren(...(required ? [list(keys, usage), updated()] : [el("p", { class: "notice" }, t("keys.none"))]));
    } catch (error) {
      output.replaceChildren(problemCard(error, load));
    }
    help.hidden = false;
  }

  load();
  return el(
    "div",
    {},
    el("p", { class: "lede" }, t("keys.lede")),
    el(
      "div",
      { class: "filters" },
      el("div", { class: "field" }, el("label", { for: "usage-day" }, t("keys.day")), day),
      refresh,
    ),
    output,
    help,
  );
}

function list(keys, usage) {
  const used = new Map(usage.keys.map((entry) => [entry.key, entry]));
  const revoked = usage.keys.filter(({ key }) => !keys.some(({ id }) => id === key));
  return el(
    "ul",
    { class: "key-list" },
    keys.map((key) => card(key.id, used.get(key.id), key)),
    revoked.map((entry) => card(entry.key, entry, null)),
  );
}

/** @param {Object|null} key null for a key that was revoked after it had been used */
function card(id, usage, key) {
  return el(
    "li",
    { class: "card key-card" },
    el("h2", { class: "name" }, id),
    key
      ? el("p", { class: "scopes" }, key.scopes.map((scope) => el("code", {}, scope)))
      : el("p", { class: "fine-print" }, t("keys.revoked")),
    el("div", { class: "usage" }, UNITS.map((unit) => meter(unit, usage?.[unit] ?? 0, key?.daily[unit]))),
    key
      ? facts([
          [t("keys.rate"), rateText(key.rate)],
          [t("keys.queued"), key.max_queued === null ? null : String(key.max_queued)],
          [t("keys.streams"), key.max_streams === null ? null : String(key.max_streams)],
        ])
      : null,
  );
}

/** Shows what a key used of a unit, with a bar where it has a quota. */
function meter(unit, used, quota) {
  const name = t(`keys.unit.${unit}`);
  const text = quota === undefined ? amount(unit, used) : t("keys.of", { used: amount(unit, used), quota: amount(unit, quota) });
  const bar = quota === undefined ? null : el("meter", { max: quota || 1, high: quota * 0.9, value: used, "aria-label": name });
  return el("div", { class: "unit" }, el("span", { class: "fine-print" }, name), el("span", {}, text), bar);
}

function amount(unit, value) {
  if (unit === "bytes") return bytes(value);
  if (unit === "images" || unit === "requests") return t("keys.count", { count: value });
  return value ? duration(value) : t("format.s", { n: 0 });
}

function rateText(rate) {
  if (!rate) return t("keys.rate.none");
  const { limit, window_s: window, remaining } = rate;
  return t("keys.rate.text", { remaining, limit, window: t("format.seconds", { count: window }) });
}

function updated() {
  return el("p", { class: "fine-print" }, t("keys.updated", { time: dateTime(Date.now()) }));
}

/** The gateway only reads the key file, often a Secret: keys are created and revoked there. */
function howTo() {
  return el(
    "section",
    { class: "keys-help" },
    el("h2", {}, t("keys.create")),
    el("p", {}, t("keys.create.text")),
    el("pre", { tabindex: "0", "aria-label": t("keys.create.command") }, el("code", {}, COMMAND)),
    el("h2", {}, t("keys.revoke")),
    el("p", {}, t("keys.revoke.text")),
  );
}
