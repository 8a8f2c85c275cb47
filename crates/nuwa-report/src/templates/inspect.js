(() => {
  const PAGE = 40;
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".controls");
  const query = byId("query"), step = byId("step"), reason = byId("reason"), more = byId("more");
  const cards = [...byId("cards").children];
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const texts = cards.map((card) => fold(card.textContent));
  let shown = PAGE;

  function ranges(card, words) {
    const found = [];
    const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.data.toLowerCase();
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          if (at + word.length > walker.currentNode.length) break;
          const range = new Range();
          range.setStart(walker.currentNode, at);
          range.setEnd(walker.currentNode, at + word.length);
          found.push(range);
        }
      }
    }
    return found;
  }

  function show() {
    const words = fold(query.value).split(/\s+/).filter(Boolean);
    const outcome = form.querySelector("[name=outcome]:checked").value;
    const wanted = (card, index) =>
      (!outcome || card.dataset.outcome === outcome) &&
      (!step?.value || card.dataset.step === step.value) &&
      (!reason?.value || card.dataset.reason === reason.value) &&
      words.every((word) => texts[index].includes(word));
    let count = 0;
    const visible = [];
    cards.forEach((card, index) => {
      const fits = wanted(card, index);
      count += fits;
      card.hidden = !fits || count > shown;
      if (!card.hidden) visible.push(card);
    });
    const said = byId("found").dataset, language = document.documentElement.lang;
    byId("found").value = count === 0 ? said[`${language}None`] : said[`${language}Some`].replace("{count}", count).replace("{all}", cards.length);
    more.hidden = count <= shown;
    if (globalThis.Highlight) {
      const marks = words.length ? visible.flatMap((card) => ranges(card, words)) : [];
      CSS.highlights.set("found", new Highlight(...marks));
    }
  }

  function again() {
    shown = PAGE;
    show();
  }

  // A reason in the list of steps leads to its documents.
  document.querySelectorAll("a[data-outcome]").forEach((link) => {
    link.addEventListener("click", () => {
      byId(link.dataset.outcome).checked = true;
      query.value = "";
      if (step) step.value = link.dataset.step;
      if (reason) reason.value = link.dataset.reason ?? "";
      again();
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", again);
  form.addEventListener("change", again);
  more.addEventListener("click", () => { shown += PAGE; show(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      query.focus();
    }
  });
  form.hidden = false;
  inLanguage((language) => {
    // Where the browser knows the names of languages, they stand in the place of codes.
    try {
      const names = new Intl.DisplayNames([language], { type: "language" });
      document.querySelectorAll("[data-code]").forEach((cell) => { cell.textContent = names.of(cell.dataset.code); });
    } catch { /* The codes stay. */ }
    show();
  });
})();
