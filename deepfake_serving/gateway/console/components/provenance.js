/** The origin of a file, as its content credentials and its metadata state it. */

import { el, facts } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";
import { hasText, t } from "../messages.js";

/** @param {Object|null|undefined} provenance of an ImageVerdict */
export function provenancePanel(provenance) {
  if (!provenance) return null;
  const { credentials } = provenance;
  return el(
    "section",
    { class: "provenance", "aria-labelledby": "provenance-heading" },
    el("h3", { id: "provenance-heading" }, t("origin.heading")),
    el("p", { class: `credentials ${credentials?.state ?? "none"}` }, stateText(provenance)),
    provenance.contradictions.map((kind) => el("p", { class: "notice warn" }, t(`origin.contradiction.${kind}`))),
    facts([...(credentials ? signedFacts(credentials) : []), ...unsignedFacts(provenance)]),
    credentials?.actions.length ? steps(credentials.actions) : null,
    el("p", { class: "fine-print" }, t("origin.caveat")),
  );
}

/** Says in a sentence whether the file has content credentials, and whether they hold. */
export function stateText({ credentials, unread }) {
  if (credentials) return t(`origin.credentials.${credentials.state}`);
  return unread ? t("origin.credentials.unread") : t("origin.credentials.none");
}

function signedFacts({ signer, signer_name: name, signed_at: at, generator, ingredients, failures }) {
  return [
    [t("origin.signer"), [signer, name].filter(Boolean).join(", ")],
    [t("origin.signed-at"), at ? dateTime(at) : null],
    [t("origin.generator"), generator],
    [t("origin.ingredients"), ingredients.join(", ")],
    [t("origin.failures"), failures.join(", ")],
  ];
}

function unsignedFacts({ software, camera, taken_at: taken, source_type: type, sha256 }) {
  return [
    [t("origin.software"), software],
    [t("origin.camera"), camera],
    [t("origin.taken-at"), taken],
    [t("origin.source-type"), type ? sourceType(type) : null],
    [t("report.sha256"), el("code", { class: "digest" }, sha256)],
  ];
}

function steps(actions) {
  const item = ({ action, software, source_type: type, when }) =>
    el("li", {}, [actionText(action), type ? sourceType(type) : null, software, when].filter(Boolean).join(" · "));
  return el("div", {}, el("h4", {}, t("origin.steps")), el("ol", { class: "steps" }, actions.map(item)));
}

/** Terms without a text are shown as they are: there are many, and anyone may define more. */
function actionText(action) {
  const key = `origin.action.${action}`;
  return hasText(key) ? t(key) : action;
}

function sourceType(type) {
  const key = `origin.type.${type}`;
  return hasText(key) ? t(key) : type;
}
