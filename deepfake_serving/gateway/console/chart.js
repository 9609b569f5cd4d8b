/** What charts of scores share: the bands of the verdicts, the scale, lines. */

import { svg } from "./dom.js";
import { FAKE_ABOVE, SUSPICIOUS_FROM } from "./verdicts.js";

/** The place of a chart's plot in pixels; x is given by what is shown, y is a score. */
export function plotIn(width, height, { left = 34, right = 8, top = 8, bottom = 22 } = {}) {
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

/** Bands and scale of scores from 0 to 1; their names stand where no line will be. */
export function bands(plot, { names: side = "right" } = {}) {
  const spans = [
    ["real", 0, SUSPICIOUS_FROM],
    ["suspicious", SUSPICIOUS_FROM, FAKE_ABOVE],
    ["fake", FAKE_ABOVE, 1],
  ];
  const rects = spans.map(([word, from, to]) =>
    svg("rect", {
      class: `band ${word}`,
      x: plot.left,
      y: plot.y(to),
      width: plot.inner,
      height: plot.y(from) - plot.y(to),
    }),
  );
  const scale = [0, SUSPICIOUS_FROM, FAKE_ABOVE, 1].map((value) =>
    svg(
      "text",
      { x: plot.left - 6, y: plot.y(value) + 4, "text-anchor": "end" },
      value % 1 ? value.toFixed(2) : String(value),
    ),
  );
  const [at, anchor] = side === "left" ? [plot.left + 6, "start"] : [plot.right - 6, "end"];
  const names = spans.map(([word, from, to]) =>
    svg(
      "text",
      { class: `band-name ${word}`, x: at, y: (plot.y(from) + plot.y(to)) / 2 + 4, "text-anchor": anchor },
      word,
    ),
  );
  return svg("g", {}, rects, scale, names);
}

/** @param {Array<Array<number>>} points pairs of x and y */
export function line(points, properties) {
  return svg("polyline", {
    ...properties,
    points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
  });
}

/** Round times at which a scale of so many seconds is marked. */
export function ticks(seconds, most) {
  const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((candidate) => seconds / candidate <= most) ?? 7200;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, place) => place * step);
}
