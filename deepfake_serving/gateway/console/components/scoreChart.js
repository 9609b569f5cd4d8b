/** Shared parts of score charts: verdict bands, scale, lines. */

import { svg } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { t } from "../messages.js";
import { ranges } from "./scale.js";

/** Returns a chart's plot area in pixels. `y` maps a score; each chart maps its own x. */
export function plotArea(width, height, { left = 34, right = 8, top = 8, bottom = 22 } = {}) {
  const [inner, tall] = [Math.max(width - left - right, 1), height - top - bottom];
  return {
    width,
    height,
    left,
    top,
    inner,
    tall,
    right: left + inner,
    bottom: top + tall,
    y: (probability) => top + (1 - probability) * tall,
  };
}

/** Draws the verdict bands and the scale from 0 to 1; `names` is the side without lines. */
export function bands(plot, scale, { names: side = "right" } = {}) {
  const spans = ranges(scale);
  const rects = spans.map(([verdict, from, to]) =>
    svg("rect", {
      class: `band ${verdict}`,
      x: plot.left,
      y: plot.y(to),
      width: plot.inner,
      height: plot.y(from) - plot.y(to),
    }),
  );
  const marks = [...new Set([0, ...spans.map(([, , to]) => to), 1])].map((value) =>
    svg(
      "text",
      { x: plot.left - 6, y: plot.y(value) + 4, "text-anchor": "end" },
      value % 1 ? score(value) : String(value),
    ),
  );
  const [at, anchor] = side === "left" ? [plot.left + 6, "start"] : [plot.right - 6, "end"];
  const names = spans.map(([verdict, from, to]) =>
    svg(
      "text",
      { class: `band-name ${verdict}`, x: at, y: (plot.y(from) + plot.y(to)) / 2 + 4, "text-anchor": anchor },
      t(`band.${verdict}`),
    ),
  );
  return svg("g", {}, rects, marks, names);
}

/** @param {Array<Array<number>>} points pairs of x and y, in pixels */
export function line(points, properties) {
  return svg("polyline", {
    ...properties,
    points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
  });
}

/** Returns round times, in seconds, at which to mark a time axis. */
export function ticks(seconds, maxTicks) {
  const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((candidate) => seconds / candidate <= maxTicks) ?? 7200;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}
