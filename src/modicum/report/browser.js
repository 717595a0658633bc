// The browser of answers: filters, a list that draws only what is in view, the chosen answer.

const SIGNS = { correct: "✓", incorrect: "✗", unreadable: "?" };
const MOST = 300000; // rows; a browser cannot draw an element of any height
const READ = 150; // milliseconds of rest before typed text is searched

class Browser {
  answers = new Answers();
  found = new Uint32Array(0);
  chosen = -1; // place in `found`
  #search = 0;
  #ready = null;
  #pool = [];
  #isDrawing = false;

  constructor(root) {
    this.root = root;
    this.list = find(".rows", root);
    this.pane = find(".chosen", root);
    this.count = find(".count", root);
    this.save = find(".save", root);
    this.inputs = Object.fromEntries(all("input, select", root).map((input) => [input.name, input]));
    find(".scripted", root).hidden = false;
    find(".unscripted", root).hidden = true;
    this.#listen();
    new IntersectionObserver((entries, seen) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      this.open();
    }, { rootMargin: "400px" }).observe(root);
  }

  /** Reads the packed answers, once, and shows them. */
  open() {
    this.#ready ??= (async () => {
      await this.answers.read((n) => { this.count.textContent = `Loading answers … ${n.toLocaleString("en")} so far`; });
      this.answers.subjects.forEach(([task, model], i) => {
        this.inputs.subject.append(make("option", { value: i }, plain(`${task} on ${model}`)));
      });
      this.#nameArms();
      await this.filter();
    })();
    return this.#ready;
  }

  /** Shows the answers of one method, from a chart or a link. */
  async choose(subject, arm) {
    this.root.scrollIntoView();
    await this.open();
    const at = this.answers.subjects.findIndex((pair) => JSON.stringify(pair) === subject);
    this.inputs.subject.value = at < 0 ? "" : String(at);
    this.#nameArms();
    this.inputs.arm.value = arm || "";
    if (this.inputs.arm.selectedIndex < 0) this.inputs.arm.value = "";
    for (const name of ["text", "problem", "mark"]) this.inputs[name].value = "";
    await this.filter();
    this.list.focus({ preventScroll: true });
  }

  /** Searches with the filters as they are; a later search puts an earlier one aside. */
  async filter() {
    const mine = ++this.#search;
    const wanted = Object.fromEntries(Object.entries(this.inputs).map(([name, input]) => [name, input.value]));
    const found = await this.answers.search(wanted, () => mine !== this.#search);
    if (found === null) return;
    this.found = found.subarray(0, MOST);
    const [n, total] = [found.length, this.answers.rows.length].map((size) => size.toLocaleString("en"));
    const listed = found.length > MOST ? `; the first ${MOST.toLocaleString("en")} are listed` : "";
    this.count.textContent = `${n} of ${total} answers${listed}`;
    this.save.disabled = found.length === 0;
    this.list.scrollTop = 0;
    this.#select(found.length ? 0 : -1);
  }

  #listen() {
    let timer = 0;
    for (const input of Object.values(this.inputs)) {
      const isTyped = input.type === "search";
      input.addEventListener("input", () => {
        if (input.name === "subject") this.#nameArms();
        clearTimeout(timer);
        timer = setTimeout(() => this.open().then(() => this.filter()), isTyped ? READ : 0);
      });
      input.addEventListener("keydown", (event) => {
        if (!isTyped) return;
        if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); this.list.focus(); }
        if (event.key === "Escape" && input.value === "") this.list.focus();
      });
    }
    this.list.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(this.list);
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (!row) return;
      this.#select(Number(row.dataset.at));
      if (matchMedia("(max-width: 68rem)").matches) this.pane.scrollIntoView({ block: "nearest" });
    });
    this.pane.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.list.focus();
    });
    this.save.addEventListener("click", () => this.#export());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input, select, textarea")) return;
      event.preventDefault();
      this.root.scrollIntoView();
      this.inputs.text.focus();
      this.open();
    });
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / this.#height()) - 1);
    const last = this.found.length - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -last, End: last };
    if (event.key === "Enter") { event.preventDefault(); this.pane.focus(); return; }
    if (event.key === "Escape") { this.inputs.text.focus(); return; }
    if (!(event.key in steps) || last < 0) return;
    event.preventDefault();
    this.#select(Math.min(last, Math.max(0, this.chosen + steps[event.key])));
  }

  #height() { return parseFloat(getComputedStyle(this.list).getPropertyValue("--row")) || 30; }

  /** Lists the methods and controls of the chosen subject. */
  #nameArms() {
    const kept = this.inputs.arm.value, subject = this.inputs.subject.value;
    const arms = this.answers.arms.filter((arm) => subject === "" || arm.subject === Number(subject));
    const options = [...new Set(arms.map(label))].map((name) => make("option", { value: name }, plain(name)));
    this.inputs.arm.replaceChildren(this.inputs.arm.options[0], ...options);
    this.inputs.arm.value = kept;
    if (this.inputs.arm.selectedIndex < 0) this.inputs.arm.value = "";
  }

  #select(at) {
    this.chosen = at;
    const height = this.#height(), top = at * height;
    if (at >= 0 && top < this.list.scrollTop) this.list.scrollTop = top;
    if (at >= 0 && top + height > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = top + height - this.list.clientHeight;
    }
    this.#drawNow(); // at once, for a screen reader looks for the row that is named
    this.#show();
  }

  /** Draws the rows in view, at most once a frame. */
  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => { this.#isDrawing = false; this.#drawNow(); });
  }

  #drawNow() {
    const height = this.#height(), span = find(".span", this.list);
    span.style.height = `${this.found.length * height}px`;
    const first = Math.max(0, Math.floor(this.list.scrollTop / height) - 5);
    const last = Math.min(this.found.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / height) + 5);
    while (this.#pool.length < last - first) this.#pool.push(span.appendChild(blankRow()));
    this.#pool.forEach((row, i) => {
      const at = first + i;
      row.hidden = at >= last;
      if (row.hidden) { row.removeAttribute("id"); return; }
      const { group } = this.answers;
      fillRow(row, this.answers.at(this.found[at]));
      row.classList.toggle("new", at > 0 && group[this.found[at]] !== group[this.found[at - 1]]);
      row.style.top = `${at * height}px`;
      row.dataset.at = at;
      row.id = `row-${at}`;
      row.setAttribute("aria-posinset", at + 1);
      row.setAttribute("aria-setsize", this.found.length);
      row.setAttribute("aria-selected", String(at === this.chosen));
    });
    if (this.chosen >= 0) this.list.setAttribute("aria-activedescendant", `row-${this.chosen}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  /** Shows the chosen answer in full. */
  #show() {
    if (this.chosen < 0) {
      this.pane.replaceChildren(make("p", { class: "note" }, "No answer matches."));
      return;
    }
    const answer = this.answers.at(this.found[this.chosen]);
    this.pane.replaceChildren(...shownAnswer(answer, this.answers.subjects[answer.arm.subject], this.root.dataset.folder));
    this.pane.scrollTop = 0;
    find("button", this.pane).addEventListener("click", () => {
      for (const name of ["arm", "mark", "text"]) this.inputs[name].value = "";
      this.inputs.subject.value = String(answer.arm.subject);
      this.#nameArms();
      this.inputs.problem.value = answer.id;
      this.filter().then(() => this.list.focus());
    });
  }

  async #export() {
    const lines = [csvLine(CSV)];
    let due = performance.now() + SLICE;
    for (const row of this.found) {
      const answer = this.answers.at(row);
      lines.push(csvLine(csvCells(answer, this.answers.subjects[answer.arm.subject])));
      if (performance.now() > due) { await pause(); due = performance.now() + SLICE; }
    }
    const address = URL.createObjectURL(new Blob(lines, { type: "text/csv;charset=utf-8" }));
    make("a", { href: address, download: "answers.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}

function blankRow() {
  const cells = ["sign", "arm", "text", "read", "gold"].map((name) => make("span", { class: name }));
  return make("div", { role: "option", class: "row" }, ...cells);
}

function fillRow(row, answer) {
  const [sign, arm, text, read, gold] = row.children;
  row.className = `row ${answer.lenient}`;
  sign.textContent = SIGNS[answer.lenient];
  sign.setAttribute("aria-label", answer.lenient);
  arm.textContent = plain(label(answer.arm));
  text.textContent = plain(whole(answer.text).slice(0, 240)).replace(/\s+/g, " ");
  read.textContent = answer.read === null ? "–" : plain(whole(answer.read).slice(0, 40));
  gold.textContent = plain(answer.gold.slice(0, 40));
}

/** Gives a text's nodes, with a note where its middle is left out. */
function shownText(text) {
  if (typeof text === "string") return nodes(text);
  const note = make("span", { class: "cut" }, `… ${text[1].toLocaleString("en")} characters left out …`);
  return [...nodes(text[0]), note, ...nodes(text[2])];
}

function shownAnswer(answer, [task, model], folder) {
  const strict = answer.strict === answer.lenient ? "" : `, strictly ${answer.strict}`;
  const read = answer.read === null ? ["nothing could be read"] : ["read as ", make("b", {}, ...shownText(answer.read))];
  const facts = [
    `${label(answer.arm)}, seed ${answer.arm.seed}`,
    answer.drawn > 1 ? `sample ${answer.sample + 1} of ${answer.drawn}${answer.stands ? ", the final answer" : ""}` : "",
    answer.tokens ? `${answer.tokens.toLocaleString("en")} tokens` : "",
    answer.stop ? `ended by ${["", "its end token", "a stop string", "the length limit"][answer.stop]}` : "",
  ].filter(Boolean);
  const trial = answer.arm.trial.replace(/[^0-9A-Za-z_-]+/g, "-");
  return [
    make("p", { class: "side" }, make("span", { class: `mark ${answer.lenient}` }, answer.lenient), " ", ...read, strict),
    make("pre", { dir: "ltr", class: "answer-text" }, ...shownText(answer.text)),
    make("p", { class: "note" }, ...nodes(facts.join(" · "))),
    make("h4", {}, "Question"),
    make("pre", { dir: "auto", class: "question" }, ...(answer.question ? shownText(answer.question) : ["(the question cannot be read)"])),
    make("p", { class: "side" }, "gold ", make("b", {}, ...nodes(answer.gold))),
    make("p", { class: "note" }, ...nodes(`${task} on ${model}, problem ${answer.id}`)),
    make("p", {}, make("button", { type: "button" }, "Every answer to this problem"), " ",
      make("a", { href: `#trial-${trial}`, class: "note" }, "its trial")),
    make("p", { class: "note id" }, ...nodes(command(folder, answer))),
  ];
}

/** Gives the command that prints the answer in full. */
function command(folder, answer) {
  const quoted = (text) => (/^[\w.:\/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  return `modicum show ${quoted(folder)} ${answer.arm.trial} --problem ${quoted(answer.id)} --whole${answer.stands ? "" : " --all"}`;
}

const CSV = ["task", "model", "rung", "control", "seed", "trial", "problem", "sample", "stands",
  "lenient", "strict", "read", "gold", "tokens", "stop", "text"];

const csvCells = (answer, [task, model]) => [
  task, model, answer.arm.name, answer.arm.control, answer.arm.seed, answer.arm.trial, answer.id,
  answer.sample + 1, answer.stands ? "yes" : "no", answer.lenient, answer.strict,
  answer.read === null ? "" : whole(answer.read), answer.gold, answer.tokens, STOPS[answer.stop],
  typeof answer.text === "string" ? answer.text : `${answer.text[0]} … ${answer.text[1]} characters left out … ${answer.text[2]}`,
];

/** Gives a line in which no cell can be a formula, and nothing is hidden. */
function csvLine(cells) {
  const safe = cells.map((cell) => {
    const text = plain(String(cell));
    return `"${(/^[\s]*[=+\-@\t|]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  });
  return `${safe.join(",")}\r\n`;
}

theme();
openTarget();
addEventListener("hashchange", openTarget);
const answersAt = find("#answers");
const browser = answersAt && find("#data-rows") && typeof DecompressionStream !== "undefined" ? new Browser(answersAt) : null;
charts((subject, rung) => browser && browser.choose(subject, rung));
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-browse]");
  if (!link || !browser) return;
  event.preventDefault();
  browser.choose(link.dataset.browse, "");
});
