/** Warnings of a verdict, in the language of the page. The service sends English sentences. */

import { el } from "../lib/dom.js";
import { t } from "../messages.js";

/** Sentences that most often accompany a verdict, and their texts; `count` selects the plural. */
const KNOWN = [
  [/^only the first frame of the image was analysed$/, "warning.animation"],
  [/^the image is cut short: (?<count>\d+)% of its lines were read$/, "warning.cut-short"],
  [/^the image has (?<width>\d+) x (?<height>\d+) pixels, over the limit of \d+: it was analysed at half/, "warning.halved"],
  [/^only the (?<count>\d+) largest of (?<all>\d+) faces were analysed$/, "warning.many-faces"],
  [/^faces seen too briefly to be scored: (?<count>\d+)$/, "warning.brief-faces"],
  [/^the first (?<seconds>[\d.]+) s of the video cannot be decoded$/, "warning.start-lost"],
  [/^the video breaks off after (?<seconds>[\d.]+) of (?<all>[\d.]+) s$/, "warning.breaks-off"],
  [/^the video is damaged: (?<count>\d+) parts could not be decoded$/, "warning.damaged"],
];

/** Returns the text of a warning; one that is not known stays as it is. */
export function warningText(sentence) {
  for (const [pattern, key] of KNOWN) {
    const found = pattern.exec(sentence);
    if (found) return t(key, numbers(found.groups ?? {}));
  }
  return sentence;
}

function numbers(groups) {
  return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, Number(text)]));
}

export function warningNotice(sentence) {
  return el("p", { class: "notice warn" }, warningText(sentence));
}
