/**
 * Conversations, as the browser keeps them: each under a key of its own.
 *
 * `{id, title, created, updated, system, sampling, models, skipped, turns: [{question, answers: [answer]}]}`. An answer is
 * `{model, text, finish, error, figures}`; where two models answer, each turn has two, and each model sees its own.
 */

const PREFIX = "nuwa.chat.";

/** Names of settings that go to the server, as they are called there. */
const SAMPLING = ["temperature", "top_p", "min_p", "max_tokens", "frequency_penalty", "presence_penalty", "seed"];

const isText = (value) => typeof value === "string";

/** A conversation that nothing was said in. */
function newChat(models) {
  const now = Date.now();
  const usual = loaded("nuwa.usual") ?? {};
  return {
    id: crypto.randomUUID?.() ?? `${now}-${Math.random().toString(36).slice(2)}`,
    title: "",
    created: now,
    updated: now,
    system: isText(usual.system) ? usual.system : "",
    sampling: { ...sampling(usual.sampling) },
    models,
    skipped: 0,
    turns: [],
  };
}

/** What is kept under a key; nothing where it is damaged. */
function loaded(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** Keeps a value; tells the user where there is no more room. */
function keep(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    notice(say("full"));
  }
}

/** The settings of a file or of the store that are numbers. */
function sampling(from) {
  const given = from && typeof from === "object" ? from : {};
  return Object.fromEntries(SAMPLING.filter((name) => Number.isFinite(given[name])).map((name) => [name, given[name]]));
}

/** A conversation of a file or of the store, in the form that the page relies on; none where it is no conversation. */
function checked(chat) {
  if (!chat || typeof chat !== "object" || !Array.isArray(chat.turns)) return null;
  const answer = (one) => ({
    model: isText(one?.model) ? one.model : "",
    text: isText(one?.text) ? one.text : "",
    finish: isText(one?.finish) ? one.finish : "stop",
    error: isText(one?.error) ? one.error : "",
    figures: one?.figures && typeof one.figures === "object" ? one.figures : {},
  });
  const turns = chat.turns.filter((turn) => isText(turn?.question) && Array.isArray(turn.answers));
  const time = (value) => (Number.isFinite(value) ? value : Date.now());
  return {
    id: isText(chat.id) && chat.id ? chat.id : newChat([]).id,
    title: isText(chat.title) ? chat.title.slice(0, 120) : "",
    created: time(chat.created),
    updated: time(chat.updated),
    system: isText(chat.system) ? chat.system : "",
    sampling: sampling(chat.sampling),
    models: (Array.isArray(chat.models) ? chat.models : []).filter(isText).slice(0, 2),
    skipped: Math.min(Math.max(0, Math.trunc(chat.skipped) || 0), Math.max(0, turns.length - 1)),
    turns: turns.map((turn) => ({ question: turn.question, answers: turn.answers.slice(0, 2).map(answer) })),
  };
}

/** All conversations, the one that was changed last first. */
function allChats() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  const chats = keys.map((key) => checked(loaded(key))).filter(Boolean);
  return chats.sort((one, other) => other.updated - one.updated);
}

function keepChat(chat) {
  keep(PREFIX + chat.id, chat);
}

function deleteChat(chat) {
  localStorage.removeItem(PREFIX + chat.id);
}

/** What a conversation is called: its title, or how its first question begins. */
function titleOf(chat) {
  const first = chat.turns[0]?.question.trim().split("\n")[0] ?? "";
  return chat.title || (first.length > 60 ? `${first.slice(0, 58)}…` : first) || say("untitled");
}

/** Lets the user keep conversations as a file. */
function exportChats(chats, name) {
  const content = JSON.stringify({ format: "nuwa-conversations", version: 1, conversations: chats }, null, 1);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  link.download = `${name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "conversations"}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Takes the conversations of a file in; one that is there already under its name gets another one. How many; none where it holds none. */
function importChats(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    return 0;
  }
  if (file?.format !== "nuwa-conversations" || !Array.isArray(file.conversations)) return 0;
  const chats = file.conversations.map(checked).filter(Boolean);
  for (const chat of chats) {
    if (localStorage.getItem(PREFIX + chat.id) !== null) chat.id = newChat([]).id;
    keepChat(chat);
  }
  return chats.length;
}
