"use strict";
// What the pages of this server share: two languages, talking to the server, what was said last, the prompt, keys.
const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// What the browser keeps for this page; where it may keep nothing, it lasts as long as the page.
const kept = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* It is not kept. */ } },
};

// `texts` are all words in each language, `press` is given the keys among `keys`, `show` shows the page anew.
function beginPage({ texts, keys, press, show }) {
  const KEY = "nuwa.language";
  let said = () => "", isWrong = false, ended = false;
  let language = [kept.get(KEY), ...(navigator.languages ?? []).map((tag) => tag.slice(0, 2)), "en"].find((tag) => tag in texts);

  const text = (name, ...values) => {
    const found = texts[language][name];
    return typeof found === "function" ? found(...values) : found;
  };
  const say = (words, wrong = false) => { said = words; isWrong = wrong; };

  // What the server answers; null where it refuses, which is then said, or is gone.
  async function ask(path, body) {
    const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    let answer;
    try {
      answer = await fetch(path, { cache: "no-store", ...options });
    } catch {
      ended = true;
      return null;
    }
    ended = false;
    if (answer.ok) return answer.json();
    const why = (await answer.text()).trim();
    say(answer.status === 409 ? () => text("elsewhere") : () => text("failed", why), true);
    return null;
  }

  function showFrame() {
    document.documentElement.lang = language;
    document.title = text("title");
    document.querySelectorAll("[data-text]").forEach((node) => { node.textContent = text(node.dataset.text); });
    document.querySelectorAll("[data-label]").forEach((node) => node.setAttribute("aria-label", text(node.dataset.label)));
    document.querySelectorAll("[data-language]").forEach((node) => node.setAttribute("aria-pressed", node.dataset.language === language));
    const status = byId("status");
    if (status.textContent !== said()) status.textContent = said();
    status.classList.toggle("wrong", isWrong);
  }

  function showProgress(done, total) {
    byId("progress").max = Math.max(total, 1);
    byId("progress").value = done;
    byId("count").textContent = text("count", done, total);
  }

  function showPrompt(prompt) {
    const turns = prompt.slice(0, -1).map((turn) => element("div", { className: "turn" },
      element("p", { className: "who", textContent: text("roles")[turn.role] ?? turn.role }),
      element("p", { className: "text", dir: "auto", textContent: turn.content })));
    byId("turns").replaceChildren(...turns);
    byId("question").textContent = prompt.at(-1)?.content ?? "";
  }

  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!byId("keys").checked || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!keys.includes(key) || event.target.matches?.("input:not([type=checkbox])")) return;
    event.preventDefault();
    press(key);
  });
  document.querySelectorAll("[data-language]").forEach((button) => button.addEventListener("click", () => {
    language = button.dataset.language;
    kept.set(KEY, language);
    show();
  }));
  return { text, say, ask, showFrame, showProgress, showPrompt, language: () => language, hasEnded: () => ended };
}
