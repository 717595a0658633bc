// The answers of the page in memory: unpacked line by line, searched in slices that block nothing.

const GRADES = ["unreadable", "incorrect", "correct"];
const STOPS = ["", "end token", "stop string", "length limit"];
const SLICE = 8; // milliseconds of work between two pauses

const whole = (text) => (typeof text === "string" ? text : text[0] + text[2]);

/** Holds groups (a problem's answers) and, for each row, its group, entry, arm and sample. */
class Answers {
  subjects = [];
  arms = [];
  groups = [];
  rows = new Uint32Array(0);

  /** Reads the packed rows; `tell` hears how many there are so far. */
  async read(tell) {
    const lists = { group: [], entry: [], arm: [], sample: [], stands: [] };
    let rest = "", due = performance.now() + SLICE;
    await unpack("rows", async (piece) => {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        this.#take(JSON.parse(line), lists);
        if (performance.now() < due) continue;
        tell(lists.arm.length);
        await pause();
        due = performance.now() + SLICE;
      }
    });
    this.group = Uint32Array.from(lists.group);
    this.entry = Uint32Array.from(lists.entry);
    await pause();
    this.arm = Uint32Array.from(lists.arm);
    this.sample = Uint32Array.from(lists.sample);
    this.stands = Uint8Array.from(lists.stands);
    await pause();
    this.#order();
  }

  #take(line, lists) {
    if (line.arms) {
      this.subjects = line.subjects;
      const said = (name) => line.names[name] ?? name;
      this.arms = line.arms.map(([trial, subject, name, control, seed]) => (
        { trial, subject, name, control, seed, label: said(name) + (control ? `, ${said(control)}` : "") }));
      return;
    }
    const at = this.groups.push(line) - 1;
    for (const [arm, drawn, chosen, ...entries] of line.r) {
      entries.forEach((entry, i) => {
        // the one that stands is kept last where it came after those that were kept
        const sample = i === entries.length - 1 && chosen >= entries.length ? chosen : i;
        lists.group.push(at);
        lists.entry.push(entry);
        lists.arm.push(arm);
        lists.sample.push(sample);
        lists.stands.push(sample === chosen ? 1 : 0);
      });
      line.drawn ??= new Map();
      line.drawn.set(arm, drawn);
    }
    delete line.r;
  }

  /** Orders rows by subject, then by problem; within a problem as the trials were listed. */
  #order() {
    const sizes = new Uint32Array(this.subjects.length + 1);
    for (const arm of this.arm) sizes[this.arms[arm].subject + 1]++;
    for (let i = 1; i < sizes.length; i++) sizes[i] += sizes[i - 1];
    this.rows = new Uint32Array(this.arm.length);
    this.arm.forEach((arm, row) => { this.rows[sizes[this.arms[arm].subject]++] = row; });
  }

  /** Gives everything that is known of a row. */
  at(row) {
    const group = this.groups[this.group[row]], entry = this.entry[row], arm = this.arms[this.arm[row]];
    const [lenient, strict] = [...group.m[entry]].map((digit) => GRADES[digit]);
    return {
      id: whole(group.q[0]), question: group.q[1], gold: whole(group.q[2]), arm,
      text: group.x[entry], read: group.a[entry], lenient, strict,
      tokens: group.n[entry], stop: group.o[entry], sample: this.sample[row],
      drawn: group.drawn.get(this.arm[row]), stands: this.stands[row] === 1,
    };
  }

  /** Gives the rows that match, or null where `isStale` says that another search began. */
  async search(wanted, isStale) {
    const arms = Uint8Array.from(this.arms, (arm) =>
      (wanted.subject === "" || arm.subject === Number(wanted.subject)) &&
      (wanted.arm === "" || label(arm) === wanted.arm) ? 1 : 0);
    const text = wanted.text.toLowerCase(), problem = wanted.problem.toLowerCase();
    const test = MARKS[wanted.mark];
    const found = new Uint32Array(this.rows.length);
    let count = 0, due = performance.now() + SLICE, last = -1, hits = null;
    for (let i = 0; i < this.rows.length; i++) {
      const row = this.rows[i], at = this.group[row];
      if (at !== last) {
        if (performance.now() > due) {
          await pause();
          if (isStale()) return null;
          due = performance.now() + SLICE;
        }
        last = at;
        hits = asks(this.groups[at], problem) ? searched(this.groups[at], text) : null;
      }
      if (hits === null || !arms[this.arm[row]]) continue;
      if (wanted.samples === "stands" && !this.stands[row]) continue;
      const entry = this.entry[row];
      if (text !== "" && !hits[entry]) continue;
      if (test && !test(this.groups[at].m[entry], this.groups[at].o[entry])) continue;
      found[count++] = row;
    }
    return found.subarray(0, count);
  }
}

const MARKS = {
  correct: (mark) => mark[0] === "2",
  incorrect: (mark) => mark[0] === "1",
  unreadable: (mark) => mark[0] === "0",
  strict: (mark) => mark[0] !== mark[1],
  length: (_, stop) => STOPS[stop] === "length limit",
};

/** Names an arm as the list of methods and the charts do. */
const label = (arm) => arm.label;

/** Says whether a problem's id or question holds the text. */
function asks(group, text) {
  if (text === "") return true;
  return whole(group.q[0]).toLowerCase().includes(text) || whole(group.q[1]).toLowerCase().includes(text);
}

/** Says of each entry of a problem whether its text or its answer holds the text; kept for the next row. */
function searched(group, text) {
  if (text === "") return [];
  if (group.needle !== text) {
    group.needle = text;
    group.hits = group.x.map((x, i) =>
      whole(x).toLowerCase().includes(text) || (group.a[i] !== null && whole(group.a[i]).toLowerCase().includes(text)));
  }
  return group.hits;
}
