/** An image or video with face boxes drawn on it, at any displayed size. */

import { el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { verdictIcon } from "./verdicts.js";

/**
 * @param {Element|null} media an img or video; null draws an empty area of the same aspect ratio
 * @param {number} width of the media in the pixels of the boxes
 * @param {number} height height of the media, likewise
 * @returns {{element, draw(faces, labels), highlight(index), resize(width, height)}}
 */
export function faceOverlay(media, width, height) {
  const layer = el("div", { class: "boxes", "aria-hidden": "true" });
  const element = el("div", { class: `face-overlay${media ? "" : " blank"}` }, media, layer);
  let boxes = [];
  let size = {};

  /** Draws faces with their scores. `labels` are numbers; where a box is narrow, its number alone is shown. */
  function draw(faces, labels = faces.map(() => "")) {
    boxes = faces.map((face, index) => boxElement(face, labels[index], size.width, size.height));
    layer.replaceChildren(...boxes);
  }

  /** Sets the size of the media as it is now shown, for boxes that are drawn from then on. */
  function resize(newWidth, newHeight) {
    size = { width: newWidth, height: newHeight };
    element.style.setProperty("--ratio", newWidth / newHeight);
  }

  /** @param {number|null} index of the highlighted face; null for none */
  function highlight(index) {
    layer.classList.toggle("dimmed", index !== null);
    boxes.forEach((box, other) => box.classList.toggle("highlighted", other === index));
  }

  resize(width, height);
  return { element, draw, highlight, resize };
}

function boxElement(face, label, width, height) {
  const [x1, y1, x2, y2] = face.box;
  const verdict = face.verdict;
  const icon = verdict ? verdictIcon(verdict) : null;
  const figure = el("span", { class: "figure" }, icon, score(face.fake_probability));
  const tag = el("span", { class: label ? "tag numbered" : "tag" }, label || null, figure);
  const box = el("div", { class: `box ${verdict ?? ""}` }, tag);
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  Object.assign(box.style, {
    left: percent(x1, width),
    top: percent(y1, height),
    width: percent(x2 - x1, width),
    height: percent(y2 - y1, height),
  });
  box.classList.toggle("at-top", y1 / height < 0.1);
  box.classList.toggle("at-right", x1 / width > 0.75);
  return box;
}
