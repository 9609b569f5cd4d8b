/** Report of a job that analysed an image: the one of an image that this page analysed. */

import { request } from "../api/client.js";
import { imageReport } from "../image/imageReport.js";
import { partCopy } from "../image/shownImage.js";
import { el } from "../lib/dom.js";

export async function imageJobReport(job) {
  const image = job.links.media ? await (await request(job.links.media)).blob() : null;
  const output = el("div", { class: "output" });
  const show = async (analysis) => output.replaceChildren(await imageReport(analysis, show));
  const { verdict, copy } = partCopy(job.options.boxes === "relative" ? inPixels(job.result) : job.result);
  await show({ id: job.id, name: job.source.name, verdict, image, copy, at: Date.parse(job.created_at) });
  return output;
}

/** Returns the verdict with boxes and landmarks in pixels. */
function inPixels(verdict) {
  const size = [verdict.width, verdict.height];
  const scale = (values) => values.map((value, n) => value * size[n % 2]);
  const faces = verdict.faces.map((face) => ({
    ...face,
    box: scale(face.box),
    landmarks: face.landmarks.map(scale),
  }));
  return { ...verdict, faces };
}
