/** Starts the console: panels, colour theme, footer. */

import { aboutPanel } from "./about/aboutPanel.js";
import { info } from "./api/client.js";
import { batchPanel } from "./batch/batchPanel.js";
import { el } from "./lib/dom.js";
import { historyPanel } from "./history/historyPanel.js";
import { keysPanel } from "./keys/keysPanel.js";
import { imagePanel } from "./image/imagePanel.js";
import { jobPanel } from "./jobs/jobPanel.js";
import { apiKey, forgetKey } from "./api/apiKey.js";
import { asProblem, problemCard } from "./api/problems.js";
import { acceptFilesAnywhere } from "./files/fileRouter.js";
import { setUpLanguage } from "./lib/languageMenu.js";
import { startRouter } from "./lib/router.js";
import { setUpTheme } from "./lib/theme.js";
import { t } from "./messages.js";
import { videoPanel } from "./video/videoPanel.js";
import { livePanel } from "./live/livePanel.js";

const missing = {
  title: t("missing.title"),
  open: () => el("p", {}, t("missing.text")),
};

function setUpFooter() {
  const service = document.getElementById("service");
  const forget = document.getElementById("forget");
  const showKey = () => (forget.hidden = !apiKey());
  document.addEventListener("keychange", showKey);
  forget.addEventListener("click", forgetKey);
  showKey();
  info()
    .then(({ version, auth }) => {
      service.textContent = `deepfake-serving ${version}`;
      document.getElementById("keys").hidden = !auth;
    })
    .catch((error) => (service.textContent = `deepfake-serving (${asProblem(error).title.toLowerCase()})`));
}

/** Shows the console's own errors like any other failure. */
function showUncaughtErrors() {
  const show = (error) => document.querySelector("main").prepend(problemCard(error));
  addEventListener("error", (event) => event.error && show(event.error));
  addEventListener("unhandledrejection", (event) => show(event.reason));
}

showUncaughtErrors();
setUpLanguage(document.getElementById("language"));
acceptFilesAnywhere();
setUpTheme(document.getElementById("theme"));
setUpFooter();
startRouter(
  {
    image: imagePanel(),
    batch: batchPanel(),
    video: videoPanel(),
    live: livePanel(),
    history: historyPanel(),
    jobs: jobPanel(),
    about: aboutPanel(),
    keys: keysPanel(),
    missing,
  },
  document.getElementById("panel"),
);
