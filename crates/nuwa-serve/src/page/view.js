/** What the page shows: turns with their answers, the list of conversations, figures. */

const byId = (id) => document.getElementById(id);
const copyOf = (template) => byId(template).content.firstElementChild.cloneNode(true);

/** Shows a line above the question until the next one; nothing hides it. */
function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

/** Whether the reader is at the end of the conversation, and so wants to see what comes. */
function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = byId("scroll");
  return scrollHeight - scrollTop - clientHeight < 80;
}

function goToEnd() {
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
}

/** Calls `work` once in the next frame, however often it is asked for until then. */
function oncePerFrame(work) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      const follows = isAtEnd();
      work();
      if (follows) goToEnd();
    });
  };
}

/** A button of a turn: its words, and what it does. */
function tool(button, text, work) {
  button.textContent = text;
  button.addEventListener("click", work);
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return;
  }
  const said = button.textContent;
  button.textContent = say("copied");
  setTimeout(() => (button.textContent = said), 1500);
}

/** The element of a turn. `acts` says what its buttons do. */
function turnView(turn, models, acts) {
  const view = copyOf("turn");
  view.setAttribute("aria-label", say("you"));
  view.querySelector(".said").textContent = turn.question;
  tool(view.querySelector(".edit"), say("edit"), () => acts.edit(view));
  tool(view.querySelector(".mine .copy"), say("copy"), (event) => copyText(turn.question, event.target));
  const place = view.querySelector(".answers");
  place.classList.toggle("two", turn.answers.length > 1);
  turn.answers.forEach((answer, column) => place.append(answerView(turn, answer, column, models, acts)));
  return view;
}

function answerView(turn, answer, column, models, acts) {
  const view = copyOf("answer");
  const [text, note, wrong] = [".text", ".note", ".wrong"].map((name) => view.querySelector(name));
  view.querySelector(".who").textContent = answer.model;
  view.querySelector(".who").hidden = turn.answers.length < 2 && models < 2;
  tool(view.querySelector(".again"), say("again"), () => acts.again(column));
  tool(view.querySelector(".copy"), say("copy"), (event) => copyText(answer.text, event.target));
  tool(view.querySelector(".fewer"), say("fewer"), () => acts.fewer(column));
  view.show = () => {
    showMarkdown(text, answer.text);
    view.classList.toggle("writing", Boolean(answer.isOpen));
    // While it is written nothing is read out: the whole is, at its end.
    text.setAttribute("aria-busy", String(Boolean(answer.isOpen)));
    note.textContent = noteOf(answer);
    wrong.textContent = answer.error;
    wrong.hidden = !answer.error;
    view.querySelector(".fewer").hidden = !answer.isTooLong || !acts.isLast;
    view.querySelector(".again").hidden = Boolean(answer.isOpen) || !acts.isLast;
    view.querySelector(".copy").hidden = Boolean(answer.isOpen) || !answer.text;
  };
  view.show();
  return view;
}

/** The line below an answer: how fast it came, and why it ended where that is not the usual. */
function noteOf(answer) {
  const { tokens = 0, rate = 0, first = 0 } = answer.figures;
  if (answer.isOpen && !answer.text) return say("reading");
  const ends = { length: "cutOff", content_filter: "filtered", stopped: "stopped" };
  const parts = [];
  if (tokens > 0) parts.push(say("tokens", { count: number(tokens) }));
  if (rate > 0) parts.push(say("rate", { rate: number(rate, rate < 10 ? 1 : 0) }));
  if (first > 0 && !answer.isOpen) parts.push(say("firstAfter", { seconds: number(first, 1) }));
  if (answer.isOpen) parts.push(say("writing"));
  else if (answer.finish in ends) parts.push(say(ends[answer.finish]));
  return parts.join(" · ");
}

/** How much of the context the conversation takes, by the last answer of each model. */
function showContext(chat, known) {
  const last = chat.turns.at(-1)?.answers ?? [];
  const used = last.map(({ figures, model }) => ({ used: (figures.prompt || 0) + (figures.tokens || 0), model }));
  const fullest = used.reduce((one, other) => (other.used > one.used ? other : one), { used: 0, model: "" });
  const all = known.find((model) => model.id === fullest.model)?.context;
  byId("context").hidden = !fullest.used;
  byId("context-bar").hidden = !all;
  byId("context-bar").value = all ? Math.min(1, fullest.used / all) : 0;
  const values = { used: number(fullest.used), all: all ? number(all) : "" };
  byId("context-text").textContent = say(all ? "used" : "usedAlone", values);
  byId("figures").textContent = chat.skipped ? say("leftOut", { count: number(chat.skipped) }) : "";
}

/** The list of conversations. */
function showChats(chats, current, acts) {
  const items = chats.map((chat) => {
    const [item, title] = [copyOf("chat-item"), titleOf(chat)];
    const open = item.querySelector(".open");
    open.textContent = title;
    open.title = title;
    if (chat.id === current) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => acts.open(chat));
    for (const [name, label] of [["rename", "renameOne"], ["save", "exportOne"], ["delete", "deleteOne"]]) {
      const button = item.querySelector(`.${name}`);
      button.setAttribute("aria-label", say(label, { title }));
      button.title = button.getAttribute("aria-label");
      button.addEventListener("click", () => acts[name](chat));
    }
    return item;
  });
  byId("chats").replaceChildren(...items);
}

/** Puts an editor in the place of a question; `done` is given what it was changed to. */
function editQuestion(view, question, done) {
  const [editor, mine] = [copyOf("editor"), view.querySelector(".mine")];
  const field = editor.querySelector("textarea");
  field.value = question;
  field.setAttribute("aria-label", say("editHint"));
  editor.querySelector(".leave").textContent = say("cancel");
  editor.querySelector(".strong").textContent = say("ask");
  const close = () => {
    editor.replaceWith(mine);
    mine.querySelector(".edit").focus();
  };
  editor.querySelector(".leave").addEventListener("click", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (isEnter(event)) {
      event.preventDefault();
      editor.requestSubmit();
    }
  });
  editor.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) done(field.value.trim());
  });
  mine.replaceWith(editor);
  fit(field);
  field.focus();
}

/** Whether Enter was pressed to send: not for a new line, and not to choose a word of an input method. */
function isEnter(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}

/** Makes a field as high as its text, up to a third of the window. */
function fit(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, window.innerHeight / 3)}px`;
}

/** Asks the user; what was typed, or `true` where there is nothing to type; nothing where it was cancelled. */
function askUser({ title, text = "", yes, typed = null }) {
  const [box, input] = [byId("ask"), byId("ask-input")];
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-text").hidden = !text;
  byId("ask-yes").textContent = yes;
  input.hidden = typed === null;
  input.value = typed ?? "";
  input.setAttribute("aria-label", say("name"));
  box.returnValue = "";
  box.showModal();
  if (typed === null) byId("ask-no").focus();
  else input.select();
  return new Promise((resolve) => {
    const closed = () => {
      // The event of a box that was closed just before this one was opened.
      if (box.open) return;
      box.removeEventListener("close", closed);
      resolve(box.returnValue ? (typed === null ? true : input.value.trim()) : null);
    };
    box.addEventListener("close", closed);
  });
}
