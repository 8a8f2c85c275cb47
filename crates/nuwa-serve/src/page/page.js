"use strict";

const byId = (id) => document.getElementById(id);
const turns = [];

/** Appends a turn and gives the element of its text. What models write is never read as HTML. */
function show(text) {
  const line = document.createElement("p");
  line.textContent = text;
  byId("log").append(line);
  return line;
}

/** Calls `take` with the object of each event of a stream. */
async function events(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.startsWith("data: ") ? part.slice(6) : "";
      if (data && data !== "[DONE]") take(JSON.parse(data));
    }
  }
}

async function ask(question) {
  turns.push({ role: "user", content: question });
  show(question);
  const line = show("");
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: byId("model").value, messages: turns, stream: true }),
  });
  if (!response.ok) {
    line.textContent = (await response.json()).error.message;
    turns.pop();
    return;
  }
  await events(response, (event) => {
    if (event.error) line.textContent += event.error.message;
    line.textContent += event.choices?.[0]?.delta?.content ?? "";
  });
  turns.push({ role: "assistant", content: line.textContent });
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = byId("question").value;
  byId("question").value = "";
  ask(question).catch((error) => show(String(error)));
});

fetch("/v1/models")
  .then((response) => response.json())
  .then(({ data }) => data.forEach(({ id }) => byId("model").append(new Option(id))))
  .catch((error) => show(String(error)));
