/** Starts the console: panels, colours, the foot of the page. */

import { aboutPanel } from "./about.js";
import { info } from "./api.js";
import { batchPanel } from "./batch.js";
import { el } from "./dom.js";
import { historyPanel } from "./history.js";
import { imagePanel } from "./image.js";
import { jobPanel } from "./job.js";
import { apiKey, forgetKey } from "./key.js";
import { asProblem, problemCard } from "./problems.js";
import { route } from "./router.js";
import { theme } from "./theme.js";
import { videoPanel } from "./video.js";
import { livePanel } from "./live.js";

const missing = {
  title: "Nothing here",
  open: () => el("p", {}, "This address leads nowhere. Choose a panel above."),
};

function foot() {
  const service = document.getElementById("service");
  const forget = document.getElementById("forget");
  const showKey = () => (forget.hidden = !apiKey());
  document.addEventListener("keychange", showKey);
  forget.addEventListener("click", forgetKey);
  showKey();
  info()
    .then(({ version }) => (service.textContent = `deepfake-serving ${version}`))
    .catch((error) => (service.textContent = `deepfake-serving (${asProblem(error).title.toLowerCase()})`));
}

/** A defect of the console is shown like any other failure. */
function showDefects() {
  const show = (error) => document.querySelector("main").prepend(problemCard(error));
  addEventListener("error", (event) => event.error && show(event.error));
  addEventListener("unhandledrejection", (event) => show(event.reason));
}

showDefects();
theme(document.getElementById("theme"));
foot();
route(
  {
    image: imagePanel(),
    batch: batchPanel(),
    video: videoPanel(),
    live: livePanel(),
    history: historyPanel(),
    jobs: jobPanel(),
    about: aboutPanel(),
    missing,
  },
  document.getElementById("panel"),
);
