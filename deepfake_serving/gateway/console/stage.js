/** A picture or a video with the judged faces drawn on it, at whatever size it is shown. */

import { el } from "./dom.js";
import { score } from "./format.js";
import { shape } from "./verdicts.js";

/**
 * @param {Element|null} shown an img or video; null: an empty sheet of the same proportions
 * @param {number} width of the medium in the pixels that boxes are given in
 * @param {number} height likewise
 * @returns {{element, draw(faces, labels), highlight(place)}}
 */
export function stage(shown, width, height) {
  const layer = el("div", { class: "boxes", "aria-hidden": "true" });
  const element = el("div", { class: `stage${shown ? "" : " blank"}` }, shown, layer);
  element.style.setProperty("--ratio", width / height);
  let boxes = [];

  function draw(faces, labels = faces.map(() => "")) {
    boxes = faces.map((face, place) => boxOf(face, labels[place], width, height));
    layer.replaceChildren(...boxes);
  }

  /** @param {number|null} place of the face that is meant; null: of none */
  function highlight(place) {
    layer.classList.toggle("dimmed", place !== null);
    boxes.forEach((box, other) => box.classList.toggle("lit", other === place));
  }

  return { element, draw, highlight };
}

function boxOf(face, label, width, height) {
  const [x1, y1, x2, y2] = face.box;
  const verdict = face.verdict;
  const tag = el("span", { class: "tag" }, shape(verdict), `${label}${score(face.fake_probability)}`);
  const box = el("div", { class: `box ${verdict}` }, tag);
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
