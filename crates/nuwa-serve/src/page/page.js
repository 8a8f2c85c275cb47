/** The page: which conversation is shown, what is asked, and what the buttons do. */

let known = [];
let chat = newChat([]);
/** What stops the answers that are being written; nothing where none is. */
let writing = null;

/** Shows the conversation anew. */
function show() {
  const isNew = chat.turns.length === 0;
  byId("welcome").hidden = !isNew;
  byId("log").replaceChildren(
    ...chat.turns.map((turn, index) => turnView(turn, chat.models.length, actsOf(turn, index))),
  );
  byId("model").value = chat.models[0] ?? "";
  byId("other").value = chat.models[1] ?? "";
  const isTwo = chat.models.length > 1;
  byId("other").hidden = byId("versus").hidden = !isTwo;
  byId("compare").setAttribute("aria-pressed", String(isTwo));
  document.title = isNew ? "Nuwa" : `${titleOf(chat)} · Nuwa`;
  showContext(chat, known);
  showList();
}

function showList() {
  showChats(allChats(), chat.id, { open: openChat, rename: renameChat, save: saveChat, delete: removeChat });
}

/** What the buttons of a turn do. */
function actsOf(turn, index) {
  return {
    isLast: index === chat.turns.length - 1,
    edit: (view) => editQuestion(view, turn.question, (question) => askAnew(index, question)),
    again: (column) => answerAgain(turn, column),
    fewer: (column) => {
      chat.skipped = Math.min(chat.skipped + 1, chat.turns.length - 1);
      answerAgain(turn, column);
    },
  };
}

/** A question in the place of one that was asked: what followed it is gone. */
function askAnew(index, question) {
  stop();
  chat.turns.length = index;
  chat.skipped = Math.min(chat.skipped, Math.max(0, index - 1));
  askQuestion(question);
}

function askQuestion(question) {
  notice("");
  if (!chat.models.length) return notice(say("noModels"));
  const answers = chat.models.map((model) => ({ model, text: "", finish: "", error: "", figures: {} }));
  chat.turns.push({ question, answers });
  show();
  goToEnd();
  write(answers.map((_, column) => column));
}

function answerAgain(turn, column) {
  if (writing) return;
  const model = chat.models[column] ?? turn.answers[column].model;
  turn.answers[column] = { model, text: "", finish: "", error: "", figures: {} };
  show();
  write([column]);
}

/** The turns as a model is told them: where two answer, each is told its own answers. */
function messagesFor(column) {
  const messages = chat.system.trim() ? [{ role: "system", content: chat.system }] : [];
  for (const turn of chat.turns.slice(chat.skipped)) {
    messages.push({ role: "user", content: turn.question });
    const answer = turn.answers[column] ?? turn.answers[0];
    if (turn !== chat.turns.at(-1)) messages.push({ role: "assistant", content: answer?.text ?? "" });
  }
  return messages;
}

/** Lets models answer the last turn, in these columns, at the same time. */
async function write(columns) {
  const [own, controller] = [chat, new AbortController()];
  writing = controller;
  keepChat(own);
  showState();
  showList();
  await Promise.all(columns.map((column) => writeOne(own, column, controller.signal)));
  if (writing === controller) writing = null;
  own.updated = Date.now();
  keepChat(own);
  showState();
  if (own === chat) showContext(chat, known);
  showList();
}

async function writeOne(own, column, signal) {
  const answer = own.turns.at(-1).answers[column];
  answer.isOpen = true;
  // The conversation may be shown anew while the answer is written.
  const showAnswer = () => {
    if (own !== chat) return;
    const view = byId("log").lastElementChild?.querySelectorAll(".answer")[column];
    view?.show();
  };
  const later = oncePerFrame(showAnswer);
  later();
  try {
    await complete(answer, messagesFor(column), own.sampling, signal, later);
  } catch (error) {
    if (signal.aborted) answer.finish = "stopped";
    else fail(own, answer, error);
  }
  delete answer.isOpen;
  later();
}

/** What is shown of an answer that did not come. */
function fail(own, answer, error) {
  answer.error = error instanceof Failure ? error.message : say("broken");
  // Of several turns the oldest can be left out.
  if (error.code?.includes("context") && own.skipped < own.turns.length - 1) answer.isTooLong = true;
  if (error.code === "key") openSettings(byId("key"));
}

function stop() {
  writing?.abort();
}

/** Shows whether answers are being written. */
function showState() {
  byId("send").hidden = Boolean(writing);
  byId("stop").hidden = !writing;
  document.body.classList.toggle("busy", Boolean(writing));
}

function openChat(next) {
  stop();
  chat = next;
  useKnownModels();
  notice("");
  show();
  goToEnd();
  closeSide();
  byId("question").focus();
}

/** A model that is not there any more is replaced by the first that is. */
function useKnownModels() {
  if (!known.length) return;
  const isKnown = (id) => known.some((model) => model.id === id);
  const gone = chat.models.find((id) => !isKnown(id));
  if (gone && chat.turns.length) notice(say("gone", { model: gone }));
  chat.models = chat.models.map((id) => (isKnown(id) ? id : known[0].id));
  if (!chat.models.length) chat.models = [known[0].id];
}

async function renameChat(own) {
  const title = await askUser({ title: say("renameTitle"), yes: say("rename"), typed: titleOf(own) });
  if (!title) return;
  own.title = title.slice(0, 120);
  if (own.id === chat.id) chat.title = own.title;
  keepChat(own.id === chat.id ? chat : own);
  show();
}

function saveChat(own) {
  exportChats([own], titleOf(own));
}

async function removeChat(own) {
  const title = titleOf(own);
  const sure = await askUser({ title: say("deleteTitle"), text: say("deleteText", { title }), yes: say("delete") });
  if (!sure) return;
  if (own.id === chat.id) {
    stop();
    chat = newChat(chat.models);
  }
  deleteChat(own);
  show();
}

async function importFile(event) {
  const [file] = event.target.files;
  if (!file) return;
  const count = importChats(await file.text());
  notice(count ? say("imported", { count: number(count) }) : say("importWrong", { name: file.name }));
  event.target.value = "";
  showList();
}

function openSide() {
  document.body.classList.add("side-open");
  byId("shade").hidden = false;
  byId("open-side").setAttribute("aria-expanded", "true");
  byId("close-side").focus();
}

function closeSide() {
  document.body.classList.remove("side-open");
  byId("shade").hidden = true;
  byId("open-side").setAttribute("aria-expanded", "false");
}

async function readModels() {
  try {
    known = await models();
  } catch (error) {
    notice(error.message);
    if (error.code === "key") openSettings(byId("key"));
    return;
  }
  for (const select of [byId("model"), byId("other")]) {
    select.replaceChildren(...known.map(({ id }) => new Option(id, id)));
    select.disabled = known.length < 2 && select.id === "model";
  }
  byId("compare").hidden = known.length < 2;
  notice(known.length ? "" : say("noModels"));
  useKnownModels();
  show();
}

/** Another model answers from now on, or two do. */
function chooseModels(models) {
  chat.models = models;
  localStorage.setItem("nuwa.model", models[0] ?? "");
  if (chat.turns.length) keepChat(chat);
  show();
}

function listen() {
  const on = (id, kind, work) => byId(id).addEventListener(kind, work);
  on("form", "submit", (event) => {
    event.preventDefault();
    const question = byId("question").value.trim();
    if (!question || writing) return;
    byId("question").value = "";
    fit(byId("question"));
    askQuestion(question);
  });
  on("question", "input", () => fit(byId("question")));
  on("question", "keydown", (event) => {
    if (!isEnter(event)) return;
    event.preventDefault();
    byId("form").requestSubmit();
  });
  on("stop", "click", () => {
    stop();
    byId("question").focus();
  });
  on("new", "click", () => openChat(newChat(chat.models)));
  on("open-side", "click", openSide);
  on("close-side", "click", closeSide);
  on("shade", "click", closeSide);
  on("open-settings", "click", () => openSettings());
  on("settings", "close", takeSettings);
  on("ask-no", "click", () => byId("ask").close(""));
  on("export-all", "click", () => exportChats(allChats(), "nuwa-conversations"));
  on("import", "change", importFile);
  on("model", "change", () => chooseModels([byId("model").value, ...chat.models.slice(1)]));
  on("other", "change", () => chooseModels([chat.models[0], byId("other").value]));
  on("compare", "click", () => {
    const [first, second] = [chat.models[0], known.find(({ id }) => id !== chat.models[0])?.id];
    chooseModels(chat.models.length > 1 ? [first] : [first, second ?? first]);
  });
  on("language", "change", () => {
    language = byId("language").value;
    localStorage.setItem("nuwa.language", language);
    useLanguage();
  });
  on("theme", "change", () => {
    if (byId("theme").value) localStorage.setItem("nuwa.theme", byId("theme").value);
    else localStorage.removeItem("nuwa.theme");
    useTheme();
  });
  on("log", "click", (event) => {
    const button = event.target.closest?.(".copy-code");
    if (button) copyText(button.closest(".code").querySelector("pre").textContent, button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    if (document.body.classList.contains("side-open")) closeSide();
    else stop();
  });
  // What was written until the page is left stays.
  window.addEventListener("pagehide", () => writing && keepChat(chat));
  // Another window of this page may have changed the list.
  window.addEventListener("storage", (event) => event.key?.startsWith(PREFIX) && showList());
}

useTheme();
listen();
chat = allChats()[0] ?? newChat([localStorage.getItem("nuwa.model")].filter(Boolean));
useLanguage();
goToEnd();
byId("question").focus();
readModels().then(goToEnd);
