/** Heatmaps: each face as the model got it, beside the same under its map, with a legend and an opacity. */

import { el } from "../lib/dom.js";
import { signed } from "../lib/format.js";
import { t } from "../messages.js";

const THIRDS = ["first", "middle", "last"];

/** @param {Array} faces of an ImageVerdict; null if none has a heatmap */
export function heatmaps(faces) {
  if (!faces.some((face) => face.heatmap)) return null;
  const section = el("section", { class: "heatmaps", "aria-labelledby": "heatmaps-heading" });
  const setOpacity = ({ target }) => section.style.setProperty("--heat", target.value / 100);
  const slider = el("input", { type: "range", min: "0", max: "100", value: "80", oninput: setOpacity });
  section.append(
    el("h3", { id: "heatmaps-heading" }, t("heatmap.heading")),
    el("p", { class: "fine-print" }, t("heatmap.meaning")),
    el("label", { class: "heat-opacity" }, t("heatmap.opacity"), slider),
    legend(),
    el("ol", { class: "heat-faces" }, faces.map(item)),
  );
  return section;
}

function item(face, index) {
  if (!face.heatmap) return null;
  const { crop, overlay, scale } = face.heatmap;
  const name = t("face.number", { n: index + 1 });
  const [value, place] = strongest(face.heatmap.grid);
  const strongestText = t("heatmap.strongest", { value: signed(value), place: t(`heatmap.place.${place}`) });
  return el(
    "li",
    {},
    el("span", { class: "face-name" }, name),
    el(
      "div",
      { class: "heat-pair" },
      el("img", { src: crop, alt: t("heatmap.crop", { face: name }) }),
      el(
        "div",
        { class: "heat" },
        el("img", { src: crop, alt: "" }),
        el("img", { class: "heat-overlay", src: overlay, alt: t("heatmap.alt", { face: name, text: strongestText }) }),
      ),
    ),
    el("span", { class: "fine-print" }, `${strongestText} ${t("heatmap.scale", { scale: signed(scale) })}`),
  );
}

/** Returns the contribution that is farthest from zero, and the third of the face where it is. */
function strongest(grid) {
  let best = { value: 0, row: 0, column: 0 };
  grid.forEach((values, row) =>
    values.forEach((value, column) => {
      if (Math.abs(value) > Math.abs(best.value)) best = { value, row, column };
    }),
  );
  const third = (index, count) => THIRDS[Math.min(2, Math.floor((3 * index) / count))];
  return [best.value, `${third(best.row, grid.length)}-${third(best.column, grid[0].length)}`];
}

function legend() {
  return el(
    "div",
    { class: "heat-legend" },
    el("span", {}, t("heatmap.lowers")),
    el("i", { "aria-hidden": "true" }),
    el("span", {}, t("heatmap.raises")),
  );
}
