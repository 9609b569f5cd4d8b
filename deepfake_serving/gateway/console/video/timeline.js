/** Chart of every face's score over a video's time. Clicks and arrow keys seek. */

import { bands, line, plotArea, ticks } from "../components/scoreChart.js";
import { el, svg } from "../lib/dom.js";
import { clock, timestamp } from "../lib/format.js";
import { t } from "../messages.js";
import { describe, keyTarget } from "./timelineKeyboard.js";

const HEIGHT = 230;
const STRIP = 20; // height of the row of shots, in pixels
const MAX_POINTS = 400; // of all faces together; above this, points are omitted

/**
 * @param {Object} result a VideoVerdict
 * @param {Object} scale of the model
 * @param {Function} seek called with seconds
 * @returns {{element, at(seconds)}}
 */
export function timeline(result, scale, seek) {
  const end = durationOf(result);
  const times = [
    ...new Set(
      result.shots.flatMap((shot) => shot.tracks.flatMap((track) => track.frames.map((frame) => frame.t_s))),
    ),
  ].sort((a, b) => a - b);
  const drawing = svg("svg", { "aria-hidden": "true", height: HEIGHT });
  const element = el(
    "div",
    {
      class: "timeline",
      role: "slider",
      tabindex: "0",
      "aria-label": t("timeline.label"),
      "aria-valuemin": 0,
      "aria-valuemax": end.toFixed(1),
    },
    drawing,
  );
  const hint = el(
    "p",
    { class: "fine-print hint" },
    t("timeline.hint"),
  );
  const dotted = faceCount(result) <= MAX_POINTS;
  let [now, plot, cursor] = [0, null, null];
  const x = (seconds) => plot.left + (seconds / end) * plot.inner;

  function draw(width) {
    plot = plotArea(width, HEIGHT, { bottom: 24 + STRIP });
    cursor = svg("line", { class: "cursor", y1: plot.top, y2: plot.bottom + STRIP });
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    drawing.replaceChildren(
      bands(plot, scale),
      axis(plot, x, end),
      ...result.shots.map((shot, index) => shotGroup(shot, index, plot, x, dotted)),
      cursor,
    );
    at(now);
  }

  function at(seconds) {
    now = Math.min(Math.max(seconds, 0), end);
    element.setAttribute("aria-valuenow", now.toFixed(1));
    element.setAttribute("aria-valuetext", describe(result.shots, now, scale));
    if (!cursor) return;
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, x(now));
  }

  function go(seconds) {
    at(seconds);
    seek(now);
  }

  element.addEventListener("click", ({ clientX }) => {
    const seconds = ((clientX - drawing.getBoundingClientRect().left - plot.left) / plot.inner) * end;
    go(nearest(times, seconds, (8 / plot.inner) * end));
  });
  element.addEventListener("keydown", (event) => {
    const to = keyTarget(event.key, now, times, result.shots, end);
    if (to === null) return;
    event.preventDefault();
    go(to);
  });
  new ResizeObserver(([{ contentRect }]) => contentRect.width && draw(contentRect.width)).observe(element);
  at(0);
  return { element: el("div", {}, element, hint), at };
}

function durationOf({ duration_s: duration, shots }) {
  return Math.max(duration ?? 0, ...shots.map((shot) => shot.end_s), 0.1);
}

function faceCount({ shots }) {
  return shots.flatMap(({ tracks }) => tracks).reduce((count, { frames }) => count + frames.length, 0);
}

function axis(plot, x, end) {
  return svg(
    "g",
    {},
    ticks(end, plot.inner / 60).map((seconds) =>
      svg(
        "text",
        { x: x(seconds), y: plot.height - 6, "text-anchor": x(seconds) > plot.right - 12 ? "end" : "middle" },
        seconds % 1 ? timestamp(seconds) : clock(seconds),
      ),
    ),
  );
}

function shotGroup(shot, index, plot, x, dotted) {
  const [left, right] = [x(shot.start_s), x(shot.end_s)];
  const name =
    right - left > 14
      ? svg(
          "text",
          { x: (left + right) / 2, y: plot.bottom + 14, "text-anchor": "middle" },
          String(index + 1),
        )
      : null;
  return svg(
    "g",
    { class: "shot" },
    svg("line", { class: "cut", x1: left, x2: left, y1: plot.top, y2: plot.bottom }),
    svg("rect", {
      class: `segment ${shot.verdict}`,
      x: left + 1,
      y: plot.bottom + 2,
      width: Math.max(right - left - 2, 1),
      height: STRIP - 4,
      rx: 3,
    }),
    name,
    shot.tracks.map((track, number) => trackGroup(track, number, plot, x, dotted)),
  );
}

function trackGroup({ frames }, number, plot, x, dotted) {
  const points = frames.map((frame) => [x(frame.t_s), plot.y(frame.fake_probability)]);
  const dots = !dotted ? [] : points.map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5 }));
  return svg("g", { class: `track track-${number % 6}` }, line(points, {}), dots);
}

/** Snaps to the nearest point, if it is close enough. */
function nearest(times, seconds, within) {
  const best = times.reduce((a, b) => (Math.abs(b - seconds) < Math.abs(a - seconds) ? b : a), Infinity);
  return Math.abs(best - seconds) <= within ? best : seconds;
}
