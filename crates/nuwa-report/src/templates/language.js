"use strict";
// The language of the page: the reader's last choice, else the browser's. Texts stand in both; the style sheet shows one.
const inLanguage = (() => {
  const KEY = "nuwa.language", LANGUAGES = ["en", "zh"];
  const kept = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const keep = (language) => { try { localStorage.setItem(KEY, language); } catch { /* The choice lasts as long as the page. */ } };
  const preferred = () => (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag));
  const listeners = [];
  function show(language) {
    document.documentElement.lang = language;
    for (const attribute of ["title", "aria-label", "placeholder", "label"]) {
      document.querySelectorAll(`[data-${language}-${attribute}]`).forEach((element) => {
        element.setAttribute(attribute, element.getAttribute(`data-${language}-${attribute}`));
      });
    }
    document.querySelectorAll("[data-language]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.language === language));
    listeners.forEach((listener) => listener(language));
  }
  const first = [kept(), preferred(), "en"].find((language) => LANGUAGES.includes(language));
  document.querySelectorAll(".language").forEach((choice) => { choice.hidden = false; });
  document.querySelectorAll("[data-language]").forEach((button) => {
    button.addEventListener("click", () => { keep(button.dataset.language); show(button.dataset.language); });
  });
  show(first);
  return (listener) => { listeners.push(listener); listener(document.documentElement.lang); };
})();
