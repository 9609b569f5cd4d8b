/** Every text of the console, by key, in the language of the browser or of the user's choice. */

import de from "./messages/de/index.js";
import en from "./messages/en/index.js";

const STORAGE_KEY = "deepfake-language";
const CATALOGUES = { en, de };

export const LANGUAGES = { en: "English", de: "Deutsch" };
export const language = chosenLanguage();

const catalogue = CATALOGUES[language];
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const lists = new Intl.ListFormat(language, { type: "disjunction" });

function chosenLanguage() {
  const wanted = [localStorage.getItem(STORAGE_KEY), ...navigator.languages.map((tag) => tag.split("-")[0])];
  return wanted.find((tag) => Object.hasOwn(CATALOGUES, tag)) ?? "en";
}

/** Keeps the user's choice; a reload shows it. */
export function chooseLanguage(tag) {
  localStorage.setItem(STORAGE_KEY, tag);
}

/** Returns whether the catalogue has a text. */
export function hasText(key) {
  return Object.hasOwn(catalogue, key);
}

/**
 * Returns a text.
 * @param {string} key
 * @param {Object} values replace `{name}`; `count` also selects the plural form
 */
export function t(key, values = {}) {
  const message = catalogue[key];
  if (message === undefined) throw new Error(`there is no text ${key}`);
  const text = typeof message === "string" ? message : (message[plurals.select(values.count)] ?? message.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

/** Joins phrases: "a, b or c". */
export function alternatives(phrases) {
  return lists.format(phrases);
}
