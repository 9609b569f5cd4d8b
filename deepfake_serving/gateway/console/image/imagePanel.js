/** Image panel: choose an image, analyse it, show its faces. */

import { analyseImage } from "../api/client.js";
import { modelDetails } from "../components/modelDetails.js";
import { announce, el } from "../lib/dom.js";
import { faceList } from "../components/faceList.js";
import { plural, score } from "../lib/format.js";
import { mediaPicker } from "../components/mediaPicker.js";
import { problemCard } from "../api/problems.js";
import { saveButtons } from "../lib/download.js";
import { getAnalysis, saveAnalysis } from "./analyses.js";
import { faceOverlay } from "../components/faceOverlay.js";
import { verdictSummary, untrainedWarning, VERDICTS } from "../components/verdicts.js";

export function imagePanel() {
  const output = el("div", { class: "output" });
  let running = new AbortController();
  const input = mediaPicker({
    what: "an image",
    accept: "image/*,.heic,.heif,.avif,.tif,.tiff",
    onFiles: ([file]) => analyse(file),
    onURL: (url) => analyse(url),
  });
  const lede = el("p", { class: "lede" }, "How likely was each face in an image swapped for another?");
  const element = el("div", {}, lede, input, output);

  async function analyse(source) {
    running.abort();
    const { signal } = (running = new AbortController());
    const [name, image] = typeof source === "string" ? [source, null] : [source.name, source];
    output.replaceChildren(el("p", { class: "busy", role: "status" }, `Analysing ${name} …`));
    try {
      const verdict = await analyseImage(source, signal);
      const id = saveAnalysis(name, verdict, image);
      await show(getAnalysis(id));
    } catch (error) {
      if (error.name !== "AbortError") output.replaceChildren(problemCard(error, () => analyse(source)));
    }
  }

  async function show(analysis) {
    output.replaceChildren(await result(analysis));
    const { verdict, fake_probability: p, faces } = analysis.verdict;
    const figure = p === null ? "" : `, score ${score(p)}, ${plural(faces.length, "face")}`;
    announce(`${analysis.name}: ${VERDICTS[verdict].label}${figure}`);
  }

  function open(id) {
    if (id === null) return element;
    const analysis = getAnalysis(id);
    if (analysis) show(analysis);
    else
      output.replaceChildren(
        el(
          "p",
          { class: "notice" },
          "Analyses of images are kept by this page only, until it is closed or reloaded. This one is gone: upload the image again.",
        ),
      );
    return element;
  }

  return { title: "Image", open };
}

async function result({ name, verdict, image }) {
  const { media, note } = await loadImage(image, name);
  const view = faceOverlay(media, verdict.width, verdict.height);
  const numbered = verdict.faces.length > 1;
  view.draw(
    verdict.faces,
    verdict.faces.map((_, index) => (numbered ? `${index + 1} · ` : "")),
  );
  const caption = el(
    "figcaption",
    {},
    el("span", { class: "name" }, name),
    note ? el("span", { class: "fine-print" }, note) : null,
  );
  const subject = numbered ? "combines the scores of its faces; the highest count most" : "is the score of its face";
  return el(
    "article",
    { class: "result" },
    el("figure", {}, view.element, caption),
    el(
      "div",
      { class: "result-text" },
      verdictSummary(verdict.verdict, verdict.fake_probability, subject),
      untrainedWarning(verdict.model),
      verdict.warnings.map((warning) => el("p", { class: "notice warn" }, warning)),
      faceList(verdict.faces, view.highlight),
      modelDetails(verdict),
      saveButtons("verdict", verdict),
    ),
  );
}

/** Loads the image, or explains why it can't be shown. */
async function loadImage(image, name) {
  if (!image) {
    return {
      media: null,
      note: "The service fetched this image; your browser did not, so only the positions of the faces are drawn.",
    };
  }
  const url = URL.createObjectURL(image);
  const media = el("img", { alt: `The analysed image, ${name}`, src: url });
  try {
    await media.decode();
    return { media, note: null };
  } catch {
    return {
      media: null,
      note: "Your browser can't show this format; only the positions of the faces are drawn.",
    };
  } finally {
    URL.revokeObjectURL(url); // the decoded image stays
  }
}
