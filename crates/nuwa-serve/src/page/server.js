/** What the page asks of the server: its models, and answers as they are written (OpenAI's interface). */

/** What went wrong, in words for the user; `code` is the server's. */
class Failure extends Error {
  constructor(message, code = "") {
    super(message);
    this.code = code;
  }
}

const apiKey = () => sessionStorage.getItem("nuwa.key") ?? "";

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (apiKey()) headers.Authorization = `Bearer ${apiKey()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(say("offline"), "offline");
  }
  if (response.ok) return response;
  if (response.status === 401) throw new Failure(say("wantsKey"), "key");
  const body = await response.json().catch(() => null);
  throw failureOf(body, response.status);
}

/** What a server says in its errors; the kind of an error stands in `code` or, with llama.cpp, in `type`. */
function failureOf(body, status) {
  const error = body?.error ?? {};
  const code = [error.code, error.type].find((one) => isText(one) && one.includes("context")) ?? "";
  return new Failure(isText(error.message) && error.message ? error.message : say("failed", { status }), code);
}

/** The models that chat, or may: their names and, where the server says so, how many tokens they see. */
async function models() {
  const { data } = await (await request("/v1/models")).json();
  const chats = (model) => isText(model?.id) && model.capabilities?.chat !== false;
  return (Array.isArray(data) ? data : []).filter(chats).map((model) => ({
    id: model.id,
    context: [model.context_length, model.max_model_len, model.meta?.n_ctx, model.meta?.n_ctx_train].find(Number.isFinite),
  }));
}

/** The objects of a stream of events, as they come. */
async function* events(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    held += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const parts = held.split(/\r?\n\r?\n/);
    held = parts.pop();
    for (const part of parts) {
      const lines = part.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trimStart()).join("\n");
      if (data === "[DONE]") return;
      if (data) yield JSON.parse(data);
    }
    if (done) return;
  }
}

/**
 * Lets a model answer, into `answer`: its text, why it ended, and figures. `onText` is called whenever there is more.
 * Where `signal` is aborted, what came until then stays.
 */
async function complete(answer, messages, settings, signal, onText) {
  const body = { model: answer.model, messages, stream: true, stream_options: { include_usage: true }, ...settings };
  const began = performance.now();
  let [first, last, pieces] = [0, 0, 0];
  const response = await request("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  let usage = null;
  for await (const event of events(response)) {
    if (event.error) throw failureOf(event, 200);
    const choice = event.choices?.[0];
    const text = choice?.delta?.content;
    if (text) {
      last = performance.now();
      first ||= last;
      pieces += 1;
      answer.text += text;
    }
    if (choice?.finish_reason) answer.finish = choice.finish_reason;
    usage = event.usage ?? usage;
    answer.figures = figuresOf(usage, event.timings, { began, first, last, pieces });
    onText();
  }
  if (!answer.finish) throw new Failure(say("broken"));
}

/** Tokens and speed: the server's own where it tells them, else what was seen here. */
function figuresOf(usage, timings, { began, first, last, pieces }) {
  const tokens = usage?.completion_tokens ?? pieces;
  const seconds = (last - first) / 1000;
  const seen = seconds > 0 && tokens > 1 ? (tokens - 1) / seconds : 0;
  return {
    tokens,
    prompt: usage?.prompt_tokens ?? 0,
    rate: timings?.predicted_per_second || seen,
    first: first ? (first - began) / 1000 : 0,
  };
}
