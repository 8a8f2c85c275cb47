/**
 * A part of Markdown as elements: paragraphs, headings, lists, quotes, tables, code, emphasis and links.
 *
 * What a model writes is foreign: it becomes text and elements of the kinds below, and is never read as HTML. Pictures are not loaded.
 */

/** An element with text or elements in it. */
function element(name, ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** A text in pieces that are shown by themselves: blank lines part them, except within code. */
function blocks(text) {
  const found = [];
  let open = [];
  let fence = null;
  const close = () => {
    if (open.length) found.push(open.join("\n"));
    open = [];
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const mark = line.match(FENCE);
    if (fence) {
      open.push(line);
      if (mark && mark[1][0] === fence[0] && mark[1].length >= fence.length && !mark[2]) {
        fence = null;
        close();
      }
    } else if (mark) {
      close();
      fence = mark[1];
      open.push(line);
    } else if (line.trim() === "") {
      close();
    } else {
      open.push(line);
    }
  }
  close();
  return found;
}

/** The elements of one piece. */
function rendered(block) {
  const lines = block.split("\n");
  if (FENCE.test(lines[0])) return [code(lines)];
  const made = [];
  while (lines.length) made.push(takeOne(lines));
  return made;
}

/** Takes the lines of the next element off the front. */
function takeOne(lines) {
  const heading = lines[0].match(/^ {0,3}(#{1,6})\s+(.*?)\s*#*$/);
  if (heading) {
    lines.shift();
    // The page has headings of its own above these.
    return element(`h${Math.min(6, heading[1].length + 2)}`, ...inline(heading[2]));
  }
  if (RULE.test(lines[0])) {
    lines.shift();
    return element("hr");
  }
  if (/^ {0,3}>/.test(lines[0])) {
    const inner = takeWhile(lines, (line) => /^ {0,3}>/.test(line)).map((line) => line.replace(/^ {0,3}> ?/, ""));
    return element("blockquote", ...blocks(inner.join("\n")).flatMap(rendered));
  }
  if (lines[0].includes("|") && lines.length > 1 && DIVIDER.test(lines[1]) && lines[1].includes("-")) {
    return table(takeWhile(lines, (line) => line.includes("|")));
  }
  if (ITEM.test(lines[0])) return list(takeWhile(lines, (line) => ITEM.test(line) || /^\s+\S/.test(line)));
  const text = [lines.shift(), ...takeWhile(lines, (line) => !begins(line))];
  return element("p", ...lineByLine(text));
}

/** Whether a line within a paragraph begins something else. */
function begins(line) {
  return /^ {0,3}(#{1,6}\s|>)/.test(line) || ITEM.test(line) || RULE.test(line);
}

function takeWhile(lines, test) {
  const end = lines.findIndex((line) => !test(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

function lineByLine(lines) {
  return lines.flatMap((line, index) => (index ? [element("br"), ...inline(line)] : inline(line)));
}

function code(lines) {
  const mark = lines[0].match(FENCE);
  const closed = lines.length > 1 && new RegExp(`^ {0,3}${mark[1][0]}{${mark[1].length},}\\s*$`).test(lines.at(-1));
  const inner = element("code", lines.slice(1, closed ? -1 : undefined).join("\n"));
  const copy = element("button", say("copy"));
  copy.type = "button";
  copy.className = "tool copy-code";
  const head = element("div", element("span", mark[2]), copy);
  head.className = "code-head";
  const box = element("div", head, element("pre", inner));
  box.className = "code";
  return box;
}

function table(lines) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replace(/\\\|/g, "|"));
  const [head, divider, ...rows] = lines;
  const sides = cells(divider).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "middle" : "end") : ""));
  const row = (line, name) =>
    element("tr", ...cells(line).map((cell, index) => {
      const made = element(name, ...inline(cell));
      if (sides[index]) made.className = sides[index];
      return made;
    }));
  const made = element("table", element("thead", row(head, "th")), element("tbody", ...rows.map((line) => row(line, "td"))));
  const box = element("div", made);
  box.className = "wide";
  return box;
}

/** A list; what is indented below an item belongs to it. */
function list(lines) {
  const [, indent, mark] = lines[0].match(ITEM);
  const ordered = /\d/.test(mark);
  const made = element(ordered ? "ol" : "ul");
  if (ordered && parseInt(mark, 10) !== 1) made.start = parseInt(mark, 10);
  while (lines.length) {
    const item = lines.shift().match(ITEM);
    const below = takeWhile(lines, (line) => {
      const next = line.match(ITEM);
      return next ? next[1].length > indent.length : true;
    });
    const nested = below.findIndex((line) => ITEM.test(line));
    const own = nested < 0 ? below : below.slice(0, nested);
    const parts = lineByLine([item ? item[3] : "", ...own.map((line) => line.trim())]);
    if (nested >= 0) parts.push(list(below.slice(nested)));
    made.append(element("li", ...parts));
  }
  return made;
}

/**
 * Kinds of emphasis with what stands around them; code first, for nothing in it is emphasis. Two underscores are none: they stand around
 * names of programs, such as __init__, far more often.
 */
const SPANS = [
  { find: /(`+)(?!`)([^]*?[^`])\1(?!`)/, make: (found) => element("code", found[2].trim() || found[2]) },
  { find: /\[([^\]\n]+)\]\(\s*<?([^\s)>]+)>?(?:\s+["'][^"')]*["'])?\s*\)/, make: (found) => link(found[2], inline(found[1])) },
  { find: /https?:\/\/[^\s<>"'`）】」』，。；]+[^\s<>"'`）】」』，。；.,;:!?)\]*_]/, make: (found) => link(found[0], [found[0]]) },
  { find: /\*\*(?=\S)([^]*?\S)\*\*(?!\*)/, make: (found) => element("strong", ...inline(found[1])) },
  { find: /(?<!\*)\*(?=[^\s*])([^*\n]*?[^\s*])\*(?!\*)/, make: (found) => element("em", ...inline(found[1])) },
  { find: /(?<![\w_])_(?=[^\s_])([^_\n]*?[^\s_])_(?![\w_])/, make: (found) => element("em", ...inline(found[1])) },
  { find: /~~(?=\S)([^\n]*?\S)~~/, make: (found) => element("del", ...inline(found[1])) },
];

/** A longer line is shown as it is: looking for emphasis in it would take too long. */
const LONGEST = 8000;

/** The text of a line with its emphasis: the span that begins first is taken, of those that begin together the first kind. */
function inline(text) {
  if (text.length > LONGEST) return [text];
  const made = [];
  let rest = text;
  while (rest) {
    let first = null;
    for (const { find, make } of SPANS) {
      const found = rest.match(find);
      if (found && (!first || found.index < first.found.index)) first = { found, make };
    }
    if (!first) break;
    if (first.found.index) made.push(rest.slice(0, first.found.index));
    made.push(first.make(first.found));
    rest = rest.slice(first.found.index + first.found[0].length);
  }
  if (rest) made.push(rest);
  return made;
}

/** A link to the web; to anywhere else it is only text. */
function link(address, content) {
  if (!/^https?:\/\//i.test(address)) return element("span", ...content);
  const made = element("a", ...content);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}

/** Shows Markdown in `place`, and makes anew only the pieces that have changed since it was last shown there. */
function showMarkdown(place, text) {
  const [before, now] = [place.shownBlocks ?? [], blocks(text)];
  let same = 0;
  while (same < now.length && now[same] === before[same]) same += 1;
  while (place.children.length > same) place.lastElementChild.remove();
  for (const block of now.slice(same)) {
    const piece = element("div", ...rendered(block));
    piece.className = "block";
    place.append(piece);
  }
  place.shownBlocks = now;
}
