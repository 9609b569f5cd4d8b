/** Details of problems with a file, in the language of the page. The service sends English sentences. */

import { textOf } from "../lib/sentences.js";

const KNOWN = [
  [/^the image has (?<width>\d+) x (?<height>\d+) pixels; the limit is (?<limit>\d+)$/, "detail.pixels"],
  [/^the image has (?<count>\d+) pixels; the limit is (?<limit>\d+)$/, "detail.pixel-count"],
  [/^the image has too many pixels; the limit is (?<limit>\d+)$/, "detail.many-pixels"],
  [/^frames of (?<width>\d+) x (?<height>\d+) pixels; the limit is (?<limit>\d+) pixels$/, "detail.frame-pixels"],
  [/^the \w+ has (?<sizeBytes>\d+) bytes; the limit is (?<limitBytes>\d+)$/, "detail.bytes"],
  [/^the \w+ (?:is larger|has more) than the limit of (?<limitBytes>\d+) bytes$/, "detail.over-bytes"],
  [/^the image is cut short: (?<count>\d+)% of .*; at least (?<least>\d+)% are needed$/, "detail.cut-short"],
  [/^the image is corrupt: /, "detail.image-damaged"],
  [/^the image takes more than (?<seconds>[\d.]+) s to decode$/, "detail.image-slow"],
  [/^the (?:JPEG|PNG) has more (?:scans|chunks) than the limit of \d+$/, "detail.image-parts"],
  [/^not a supported image format; /, "detail.image-format"],
  [/^this is a video, not an image; /, "detail.is-video"],
  [/^a TIFF (?:of|with) .* is not supported; /, "detail.tiff"],
  [/^the file is a still image \((?<form>.+)\), not a video; /, "detail.is-image"],
  [/^animated WebP is not supported as a video; /, "detail.animated-webp"],
  [/^not a supported video; /, "detail.video-format"],
  [/^the video is broken: /, "detail.video-damaged"],
  [/^the video crashes its decoder /, "detail.video-damaged"],
  [/^the file has no video stream, /, "detail.no-video"],
  [/^the video's codec is not supported$/, "detail.video-codec"],
  [/^the video's colours are not supported: /, "detail.video-colours"],
  [/^the video's pixels cannot be converted: /, "detail.video-colours"],
  [/^Dolby Vision without a base layer of its own is not supported$/, "detail.dolby-vision"],
  [/^decoding the video (?:takes more memory|would take) /, "detail.video-memory"],
  [/^the video has no frame to analyse$/, "detail.no-frame"],
  [/^no response within the deadline$/, "detail.deadline"],
];

/** Returns the text of a problem's detail; one that is not known stays as it is. */
export function detailText(sentence) {
  return textOf(sentence, KNOWN);
}
