/** Report of an image: the image with its faces, the verdict, the list of faces. */

import { faceList } from "../components/faceList.js";
import { feedbackButton } from "../components/feedback.js";
import { faceOverlay } from "../components/faceOverlay.js";
import { untrainedWarning, verdictSummary } from "../components/finding.js";
import { heatmaps } from "../components/heatmaps.js";
import { modelDetails } from "../components/modelDetails.js";
import { provenancePanel } from "../components/provenance.js";
import { scaleOf } from "../components/scale.js";
import { warningNotice } from "../components/warnings.js";
import { saveButtons } from "../lib/download.js";
import { el } from "../lib/dom.js";
import { t } from "../messages.js";
import { imageEvidence } from "../report/evidence.js";
import { reportActions, reportSheet } from "../report/report.js";
import { evidenceButton } from "./evidenceButton.js";
import { shownImage } from "./shownImage.js";

/**
 * @param {Object} analysis of image/analyses.js
 * @param {Function} show shows the report again, when the analysis has more evidence
 */
export async function imageReport(analysis, show) {
  const { name, verdict } = analysis;
  const [{ media, note }, scale] = await Promise.all([shownImage(analysis), scaleOf(verdict.model)]);
  const view = faceOverlay(media, verdict.width, verdict.height);
  const numbered = verdict.faces.length > 1;
  view.draw(
    verdict.faces,
    verdict.faces.map((_, index) => (numbered ? String(index + 1) : "")),
  );
  const caption = el(
    "figcaption",
    {},
    el("span", { class: "name" }, name),
    note ? el("span", { class: "fine-print" }, note) : null,
  );
  const subject = t(numbered ? "subject.several-faces" : "subject.face");
  const evidence = imageEvidence(analysis, scale);
  return el(
    "article",
    { class: "result" },
    el("figure", {}, view.element, caption),
    el(
      "div",
      { class: "result-text" },
      verdictSummary(verdict, subject, scale),
      untrainedWarning(verdict.model),
      verdict.warnings.map(warningNotice),
      feedbackButton({ id: verdict.id, verdict: verdict.verdict, name }),
      faceList(verdict.faces, scale, view.highlight, numbered ? verdict.id : null),
      heatmaps(verdict.faces),
      provenancePanel(verdict.provenance),
      evidenceButton(analysis, show),
      reportActions(evidence),
      modelDetails(verdict),
      saveButtons(name, verdict),
    ),
    reportSheet(evidence),
  );
}
