/** The button that asks for heatmaps and for the origin of the file: the image is analysed once more. */

import { mediaBody } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { upload } from "../api/upload.js";
import { withQuery } from "../components/modelChoice.js";
import { announce, el } from "../lib/dom.js";
import { t } from "../messages.js";

const EVIDENCE = { explain: true, provenance: true };

/**
 * @param {Object} analysis of image/analyses.js; its verdict is replaced by the one with evidence
 * @param {Function} show called with the analysis then
 */
export function evidenceButton(analysis, show) {
  const { name, image, verdict } = analysis;
  if (verdict.provenance) return null;
  const failure = el("div", {});
  const button = el("button", { type: "button", onclick: load }, t("evidence.show"));
  return el("div", { class: "evidence-request" }, button, el("p", { class: "fine-print" }, t("evidence.hint")), failure);

  async function load() {
    button.disabled = true;
    announce(t("evidence.loading"));
    try {
      // An image that the service fetched is named by its URL.
      const content = mediaBody(image ?? name);
      const path = withQuery("/v1/images", { ...EVIDENCE, model: verdict.model.name });
      const again = await upload(path, content, () => {}, new AbortController().signal);
      analysis.verdict = { ...again, id: verdict.id }; // what the user labels stays one analysis
      await show(analysis);
    } catch (error) {
      button.disabled = false;
      failure.replaceChildren(problemCard(error, load, name));
    }
  }
}
