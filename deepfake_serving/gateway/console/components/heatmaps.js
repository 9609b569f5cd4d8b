/** Heatmaps: each face as the model got it, beside the same under its map, with a legend and an opacity. */

import { setSource } from "../api/mediaSource.js";
import { el } from "../lib/dom.js";
import { percent, signed } from "../lib/format.js";
import { t } from "../messages.js";

const THIRDS = ["first", "middle", "last"];

/** @param {Array} faces of an ImageVerdict; null if none has a heatmap, of its own or of an ensemble's member */
export function heatmaps(faces) {
  const members = membersWithMaps(faces);
  if (!members.length && !faces.some((face) => face.heatmap)) return null;
  const list = el("ol", { class: "heat-faces" });
  const meaning = el("p", { class: "fine-print" });
  const show = (member) => {
    const maps = faces.map((face) => (member ? face.models[member]?.heatmap : face.heatmap));
    list.replaceChildren(...maps.map((map, index) => (map ? item(map, index) : "")));
    meaning.textContent = t(maps.some(isRollout) ? "heatmap.meaningOfRollout" : "heatmap.meaning");
    section.classList.toggle("rollout", maps.some(isRollout));
  };
  const section = el("section", { class: "heatmaps", "aria-labelledby": "heatmaps-heading" });
  section.append(
    el("h3", { id: "heatmaps-heading" }, t("heatmap.heading")),
    meaning,
    heatControls(section, members, show),
    list,
  );
  show(members[0]);
  return section;
}

/** Returns the tracks of a video as faces, each with the heatmaps of its keyframe. */
export function facesOfTracks(tracks) {
  const names = new Set(tracks.flatMap(({ heatmaps: maps }) => Object.keys(maps ?? {})));
  return tracks.map(({ heatmaps: maps }) => {
    const drawn = Object.entries(maps ?? {}).filter(([, { overlay }]) => overlay);
    const models = drawn.map(([name, map]) => [name, { heatmap: { ...map, crop: map.image } }]);
    if (names.size === 1) return { heatmap: models[0]?.[1].heatmap ?? null, models: {} };
    return { heatmap: null, models: Object.fromEntries(models) };
  });
}

/** Returns the names of the members that have a heatmap of some face, in their order. */
export function membersWithMaps(faces) {
  const names = faces.flatMap(({ models }) => Object.keys(models).filter((name) => models[name].heatmap));
  return [...new Set(names)];
}

/**
 * @param {Element} section whose maps are shown with the chosen opacity
 * @param {Array<string>} members to choose from; none for a single model
 * @param {Function} show called with the chosen member
 */
export function heatControls(section, members, show) {
  const setOpacity = ({ target }) => section.style.setProperty("--heat", target.value / 100);
  const slider = el("input", { type: "range", min: "0", max: "100", value: "80", oninput: setOpacity });
  const options = members.map((name) => el("option", { value: name }, name));
  const choice = el("select", { onchange: ({ target }) => show(target.value) }, options);
  return el(
    "div",
    { class: "heat-controls" },
    members.length ? el("label", { class: "heat-member" }, t("heatmap.member"), choice) : null,
    el("label", { class: "heat-opacity" }, t("heatmap.opacity"), slider),
    legend(),
  );
}

function item(heatmap, index) {
  const { crop, overlay, scale } = heatmap;
  const name = t("face.number", { n: index + 1 });
  const [value, place] = strongest(heatmap.grid);
  const format = isRollout(heatmap) ? percent : signed;
  const strongestText = t("heatmap.strongest", { value: format(value), place: t(`heatmap.place.${place}`) });
  const scaleText = isRollout(heatmap) ? "" : t("heatmap.scale", { scale: signed(scale) });
  return el(
    "li",
    {},
    el("span", { class: "face-name" }, name),
    el(
      "div",
      { class: "heat-pair" },
      image(crop, { alt: t("heatmap.crop", { face: name }) }),
      el(
        "div",
        { class: "heat" },
        image(crop, { alt: "" }),
        image(overlay, { class: "heat-overlay", alt: t("heatmap.alt", { face: name, text: strongestText }) }),
      ),
    ),
    el("span", { class: "fine-print" }, `${strongestText} ${scaleText}`),
  );
}

/** @param {string} source a data URI, or the path of an image that the service stores */
function image(source, attributes) {
  if (source.startsWith("data:")) return el("img", { ...attributes, src: source });
  return setSource(el("img", attributes), source);
}

/** Whether a map has shares of a transformer's attention, rather than contributions to the score. */
function isRollout(heatmap) {
  return heatmap?.method === "attention_rollout";
}

/** Returns the contribution or share that is farthest from zero, and the third of the face where it is. */
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
