/** Warnings of a verdict, in the language of the page. The service sends English sentences. */

import { detailText } from "../api/problemDetails.js";
import { el } from "../lib/dom.js";
import { textOf } from "../lib/sentences.js";
import { reasonOf } from "./memberScores.js";

/** Sentences that accompany a verdict, and their texts. */
const KNOWN = [
  [/^only the first frame of the image was analysed$/, "warning.animation"],
  [/^only the first page of the image was analysed$/, "warning.pages"],
  [/^the image is cut short: (?<count>\d+)% of its lines were read$/, "warning.cut-short"],
  [/^the image is cut short: (?<count>\d+)% of its coefficients were read, (?<precise>\d+)% in full/, "warning.coarse"],
  [/^the image has (?<width>\d+) x (?<height>\d+) pixels, over the limit of \d+: it was analysed at half/, "warning.halved"],
  [/^only the (?<count>\d+) largest of (?<all>\d+) faces were analysed$/, "warning.many-faces"],
  [/^frames with more than (?<most>\d+) faces, of which the largest were analysed: (?<count>\d+)$/, "warning.crowded-frames"],
  [/^faces seen too briefly to be scored: (?<count>\d+)$/, "warning.brief-faces"],
  [/^shots with more than (?<most>\d+) sampled frames, of which an even selection counts: (?<count>\d+)$/, "warning.thinned"],
  [/^failed frames: (?<count>\d+); the last problem: (?<reason>.+)$/, "warning.failed-frames"],
  [/^shots without a sampled frame, not listed: (?<count>\d+)$/, "warning.empty-shots"],
  [/^people: only the (?<count>\d+) longest of (?<all>\d+) tracks were compared$/, "warning.people"],
  [/^no heatmaps: the model's network has none$/, "warning.no-heatmaps"],
  [/^no heatmaps of (?<model>.+): its network has none$/, "warning.no-heatmaps-of"],
  [/^(?<model>\S+) is left out: (?<reason>.+)$/, "warning.left-out"],
  [/^(?<model>\S+) was left out of (?<count>\d+) frames: (?<reason>.+)$/, "warning.left-out-frames"],
  [/^the first (?<seconds>[\d.]+) s of the video cannot be decoded$/, "warning.start-lost"],
  [/^the video breaks off after (?<seconds>[\d.]+) of (?<all>[\d.]+) s$/, "warning.breaks-off"],
  [/^the video is damaged: (?<count>\d+) parts could not be decoded$/, "warning.damaged"],
  [/^the video exceeds the limits .*: only the first (?<seconds>[\d.e+]+) s were analysed$/, "warning.only-seconds"],
  [/^the video exceeds the limits .*: only (?:the first )?(?<count>\d+) frames were \w+$/, "warning.only-frames"],
  [/^the frame size changes to (?<width>\d+) x (?<height>\d+) at (?<seconds>[\d.]+) s: /, "warning.size-changes"],
  [/^the transparency of the video was ignored: /, "warning.alpha"],
  [/^the source was lost: (?<reason>.+)$/, "warning.source-lost"],
];

/** Returns the text of a warning; one that is not known stays as it is. */
export function warningText(sentence) {
  return textOf(sentence, KNOWN, (reason) => detailText(reasonOf(reason)));
}

export function warningNotice(sentence) {
  return el("p", { class: "notice warn" }, warningText(sentence));
}
