/** Responses of the service, and of proxies before it, which send pages in place of JSON. */

import { localProblem, PREFIX, Problem } from "./problems.js";
import { t } from "../messages.js";

/** What a proxy means by a status (RFC 9110), in the service's terms. */
const OF_PROXIES = {
  413: "too-large",
  429: "overloaded",
  502: "upstream-unavailable",
  503: "upstream-unavailable",
  504: "deadline-exceeded",
};

/** Reads an error response. Proxies in between don't send RFC 9457 documents. */
export function problemFrom(status, text, wait) {
  const document = parsed(text)?.type ? parsed(text) : documentOf(status);
  return new Problem({ retry_after_s: wait, ...document, status });
}

function documentOf(status) {
  const slug = OF_PROXIES[status];
  const values = { status: String(status) };
  if (slug) return { type: PREFIX + slug, detail: t("problem.of-proxy", values) };
  return { title: t("problem.status", values), detail: t("problem.unexplained") };
}

/**
 * Reads a successful response.
 * @throws {Problem} for a page, such as that of a proxy at which one has to sign in again
 */
export function jsonFrom(text) {
  const content = parsed(text);
  if (content === undefined) throw localProblem("foreign-page");
  return content;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
