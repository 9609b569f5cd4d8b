/** Chart of the scores of the last minute. */

import { bands, line, plotArea } from "../components/scoreChart.js";
import { el, svg } from "../lib/dom.js";
import { t } from "../messages.js";

const SECONDS = 60;
const [WIDTH, HEIGHT] = [440, 220];

/**
 * @param {Object} scale of the model
 * @returns {{element, add(score, smoothed), clear()}} the score is null where there was no face
 */
export function scoreTrace(scale) {
  const plot = plotArea(WIDTH, HEIGHT);
  const scores = svg("g", { class: "dots" });
  const smooth = svg("g", { class: "track track-0" });
  const marks = [60, 40, 20, 0].map((ago) =>
    svg(
      "text",
      { x: x(0, ago * 1000), y: HEIGHT - 5, "text-anchor": ago === 60 ? "start" : ago ? "middle" : "end" },
      ago ? `−${ago} s` : t("live.now"),
    ),
  );
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": t("live.chart") },
    bands(plot, scale, { names: "left" }),
    marks,
    scores,
    smooth,
  );
  let points = [];

  function x(at, now) {
    return plot.right - ((now - at) / 1000 / SECONDS) * plot.inner;
  }

  function add(score, smoothed) {
    const now = performance.now();
    points = [...points.filter(({ at }) => now - at < SECONDS * 1000), { at: now, score, smoothed }];
    scores.replaceChildren(
      ...points
        .filter((point) => point.score !== null)
        .map((point) => svg("circle", { cx: x(point.at, now), cy: plot.y(point.score), r: 2 })),
    );
    smooth.replaceChildren(
      ...runs(points).map((run) =>
        line(
          run.map((point) => [x(point.at, now), plot.y(point.smoothed)]),
          {},
        ),
      ),
    );
  }

  function clear() {
    points = [];
    scores.replaceChildren();
    smooth.replaceChildren();
  }

  return { element: el("div", { class: "score-trace" }, drawing), add, clear };
}

/** Splits the points where no face was found, so that the line is interrupted. */
function runs(points) {
  const all = [[]];
  for (const point of points) {
    if (point.score === null) all.push([]);
    else all.at(-1).push(point);
  }
  return all.filter((run) => run.length > 1);
}
