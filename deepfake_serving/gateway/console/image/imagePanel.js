/** Image panel: choose an image, analyse it, show its faces. */

import { mediaBody } from "../api/client.js";
import { problemCard } from "../api/problems.js";
import { upload } from "../api/upload.js";
import { mediaPicker } from "../components/mediaPicker.js";
import { uploadProgress } from "../components/uploadProgress.js";
import { verdictLabel } from "../components/verdicts.js";
import { checkFile } from "../files/fileLimits.js";
import { registerPanel } from "../files/fileRouter.js";
import { announce, el } from "../lib/dom.js";
import { score } from "../lib/format.js";
import { setTitle } from "../lib/router.js";
import { t } from "../messages.js";
import { getAnalysis, saveAnalysis } from "./analyses.js";
import { examples } from "./examples.js";
import { imageReport } from "./imageReport.js";
import { analysisPath, partCopy } from "./shownImage.js";
import { tour } from "./tour.js";

export function imagePanel() {
  const output = el("div", { class: "output" });
  let running = new AbortController();
  let latest = null; // the place of the file that was chosen last: its progress, then its report or problem
  registerPanel("image", { onFiles: ([file]) => analyse(file), onURL: (url) => analyse(url) });
  const lede = el("p", { class: "lede" }, t("image.lede"));
  const toTry = examples(analyse);
  const element = el("div", {}, tour(), lede, mediaPicker("image", analyse), toTry, output);

  async function analyse(source) {
    toTry.hidden = true;
    running.abort();
    const controller = (running = new AbortController());
    const [name, image] = typeof source === "string" ? [source, null] : [source.name || t("files.pasted"), source];
    const sending = uploadProgress(source, t("image.analysing", { name }), () => controller.abort());
    const place = (latest = el("div", {}, sending.element));
    output.replaceChildren(place);
    try {
      await checkFile(source, "image");
      const path = await analysisPath(source);
      const response = await upload(path, mediaBody(source), sending.show, controller.signal);
      const { verdict, copy } = partCopy(response);
      const id = saveAnalysis(name, verdict, image, copy);
      await show(getAnalysis(id), place);
    } catch (error) {
      if (running !== controller) return; // another image was chosen meanwhile
      place.replaceChildren(
        error.name === "AbortError"
          ? el("p", { class: "notice" }, t("upload.stopped"))
          : problemCard(error, () => analyse(source), name),
      );
    }
  }

  /** Shows a report in its own place: one that comes late does not replace another that is read meanwhile. */
  async function show(analysis, place) {
    place.replaceChildren(await imageReport(analysis, (again) => show(again, place)));
    const { verdict, fake_probability: p, faces } = analysis.verdict;
    const figure = p === null ? [] : [t("image.score", { score: score(p) }), t("faces", { count: faces.length })];
    announce(`${analysis.name}: ${[verdictLabel(verdict), ...figure].join(", ")}`);
    if (place.isConnected) setTitle(analysis.name);
  }

  function open(id) {
    toTry.hidden = Boolean(id ?? latest);
    const analysis = getAnalysis(id);
    const place = id === null ? latest : el("div", {}, analysis ? null : el("p", { class: "notice" }, t("image.gone")));
    output.replaceChildren(...(place ? [place] : []));
    if (analysis) show(analysis, place);
    return element;
  }

  return { title: t("panel.image"), open };
}
