/** Formats numbers, times and sizes for display, in the language of the console. */

import { language, t } from "../messages.js";

const NONE = "–";
const scoreFormat = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const tenthsFormat = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signedFormat = new Intl.NumberFormat(language, { maximumFractionDigits: 2, signDisplay: "exceptZero" });
const decimalMark = tenthsFormat.formatToParts(0.1).find(({ type }) => type === "decimal").value;
const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function score(probability) {
  return probability === null || probability === undefined ? NONE : scoreFormat.format(probability);
}

/** Formats a number with its sign. */
export function signed(value) {
  return signedFormat.format(value);
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const pad = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** Formats a time with tenths of a second, for single frames. */
export function timestamp(seconds) {
  return `${clock(seconds)}${decimalMark}${Math.floor((seconds % 1) * 10)}`;
}

export function duration(seconds) {
  if (seconds < 1) return t("format.ms", { n: Math.round(seconds * 1000) });
  if (seconds < 60) return t("format.s", { n: tenthsFormat.format(seconds) });
  const minutes = Math.round(seconds / 60);
  if (minutes >= 60) return t("format.hours", { h: Math.floor(minutes / 60), min: minutes % 60 });
  return t("format.minutes", { min: Math.floor(seconds / 60), s: Math.floor(seconds % 60) });
}

/** Formats an estimate, without more digits than it deserves. */
export function roughly(seconds) {
  if (seconds >= 60) return duration(seconds);
  const step = seconds > 10 ? 5 : 1;
  return t("format.seconds", { count: Math.max(step, Math.round(seconds / step) * step) });
}

/** Formats a size; its units are powers of 1024, as in file managers. */
export function bytes(count) {
  if (count === null || count === undefined) return null;
  const unit = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), UNITS.length - 1);
  const value = count / 1024 ** unit;
  return `${unit && value < 10 ? tenthsFormat.format(value) : Math.round(value)}\u00a0${UNITS[unit]}`;
}

export function percent(share) {
  return `${Math.round(share * 100)}\u00a0%`;
}

export function dateTime(instant) {
  return new Date(instant).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

export function shortDigest(digest) {
  return digest ? `${digest.slice(0, 19)}…` : null;
}
