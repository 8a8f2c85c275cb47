/** Settings: of the conversation that is shown, and of the page. */

/** The settings of the conversation that is shown; they are those of the next new one too. */
function openSettings(field) {
  byId("system").value = chat.system;
  for (const name of SAMPLING) byId(name).value = chat.sampling[name] ?? "";
  byId("language").value = language;
  byId("theme").value = localStorage.getItem("nuwa.theme") ?? "";
  byId("key").value = apiKey();
  if (!byId("settings").open) byId("settings").showModal();
  field?.focus?.();
}

function takeSettings() {
  chat.system = byId("system").value;
  const values = SAMPLING.map((name) => [name, byId(name)]).filter(([, field]) => field.value !== "" && field.validity.valid);
  chat.sampling = Object.fromEntries(values.map(([name, field]) => [name, field.valueAsNumber]));
  keep("nuwa.usual", { system: chat.system, sampling: chat.sampling });
  if (chat.turns.length) keepChat(chat);
  const key = byId("key").value.trim();
  const isNew = key !== apiKey();
  if (key) sessionStorage.setItem("nuwa.key", key);
  else sessionStorage.removeItem("nuwa.key");
  if (isNew) readModels();
}

function useTheme() {
  const theme = localStorage.getItem("nuwa.theme") ?? "";
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function useLanguage() {
  translate(document);
  document.querySelectorAll("template").forEach((template) => translate(template.content));
  show();
}
