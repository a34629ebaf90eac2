// The form of a question: rows that keys fill one after the other. All text is set as text, never as markup.

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

const key = (text) => element("kbd", "", text);

export class Form {
  constructor(place) {
    this.place = place;
    this.rows = [];
    this.values = {};
    this.at = 0;
  }

  show(rows, values) {
    this.rows = rows;
    this.values = structuredClone(values);
    this.place.replaceChildren();
    let group = null;
    rows.forEach((row, index) => {
      if (row.group && row.group === group?.dataset.name) return group.append(this.build(row, index));
      if (!row.group) return this.place.append(this.build(row, index));
      group = element("fieldset", "rows");
      group.dataset.name = row.group;
      group.append(element("legend", "", row.group), element("p", "hint", row.hint), this.build(row, index));
      this.place.append(group);
    });
    this.go(this.firstOpen() ?? 0);
  }

  build(row, index) {
    const made = element("fieldset", `row ${row.type}`);
    made.dataset.row = row.id;
    made.append(element("legend", "", row.label));
    if (!row.group) made.append(element("p", "hint", row.hint));
    const options = element("div", "options");
    for (const { value, label, shortcut } of this.options(row)) {
      const button = element("button", "", label);
      button.type = "button";
      button.dataset.value = value;
      if (shortcut) button.append(" ", key(shortcut));
      button.addEventListener("click", () => {
        this.go(index);
        this.set(row, value, row.type !== "verdict" || value === "keep");
      });
      options.append(button);
    }
    made.append(options);
    if (row.type === "verdict") made.append(this.reasons(row, index));
    made.addEventListener("pointerdown", () => this.go(index));
    return made;
  }

  options(row) {
    if (row.type === "scale") return Array.from({ length: row.max }, (_, i) => ({ value: i + 1, label: String(i + 1) }));
    if (row.type === "choice") return row.options.map((one) => ({ ...one, shortcut: one.key }));
    return [
      { value: "keep", label: "Keep", shortcut: "k" },
      { value: "reject", label: "Reject", shortcut: "r" },
    ];
  }

  reasons(row, index) {
    const list = element("div", "reasons");
    row.reasons.forEach((reason, number) => {
      const button = element("button", "");
      button.type = "button";
      button.dataset.reason = reason.value;
      button.append(key(String(number + 1)), " ", reason.label);
      button.addEventListener("click", () => {
        this.go(index);
        this.toggleReason(row, reason.value);
      });
      list.append(button);
    });
    return list;
  }

  set(row, value, advance) {
    if (row.type === "verdict") {
      const before = this.values[row.id];
      // A second rejection begins with the reasons of the first: most faults count for both directions.
      const given = value === "reject" ? (before?.reasons.length ? before.reasons : this.rejected()) : [];
      this.values[row.id] = { verdict: value, reasons: [...given] };
    } else this.values[row.id] = value;
    if (advance) this.go(Math.min(this.rows.length - 1, this.at + 1));
    else this.update();
  }

  rejected() {
    return Object.values(this.values).find((value) => value?.verdict === "reject")?.reasons ?? [];
  }

  toggleReason(row, reason) {
    const before = this.values[row.id]?.reasons ?? [];
    const reasons = before.includes(reason) ? before.filter((each) => each !== reason) : [...before, reason];
    this.values[row.id] = { verdict: "reject", reasons: row.reasons.map((each) => each.value).filter((each) => reasons.includes(each)) };
    this.update();
  }

  isFilled(row) {
    const value = this.values[row.id];
    if (row.type !== "verdict") return value !== undefined && value !== null;
    return value?.verdict === "keep" || (value?.verdict === "reject" && value.reasons.length > 0);
  }

  firstOpen() {
    const index = this.rows.findIndex((row) => !this.isFilled(row));
    return index < 0 ? null : index;
  }

  go(index) {
    this.at = index;
    this.update();
  }

  update() {
    for (const [index, row] of this.rows.entries()) {
      const made = this.place.querySelector(`[data-row="${CSS.escape(row.id)}"]`);
      const value = this.values[row.id];
      const chosen = row.type === "verdict" ? value?.verdict : value;
      made.classList.toggle("current", index === this.at);
      made.classList.toggle("filled", this.isFilled(row));
      for (const button of made.querySelectorAll("[data-value]")) {
        button.setAttribute("aria-pressed", String(button.dataset.value === String(chosen)));
      }
      for (const button of made.querySelectorAll("[data-reason]")) {
        button.setAttribute("aria-pressed", String(Boolean(value?.reasons?.includes(button.dataset.reason))));
      }
      made.classList.toggle("rejected", chosen === "reject");
    }
    this.place.querySelector(".current")?.scrollIntoView({ block: "nearest" });
  }

  // The row that still has to be filled is marked; true when there is none.
  complete() {
    const open = this.firstOpen();
    if (open === null) return true;
    if (open === this.at) {
      const made = this.place.querySelector(".current");
      made.classList.remove("wanted");
      void made.offsetWidth; // begins the animation again
      made.classList.add("wanted");
    }
    this.go(open);
    return false;
  }

  // Whether a key was for the form.
  key(name) {
    const row = this.rows[this.at];
    if (!row) return false;
    if (name === "ArrowDown" || name === "ArrowUp") {
      this.go(Math.min(this.rows.length - 1, Math.max(0, this.at + (name === "ArrowDown" ? 1 : -1))));
      return true;
    }
    if (name === "Backspace") {
      if (this.values[row.id] === undefined && this.at) this.at--;
      delete this.values[this.rows[this.at].id];
      this.update();
      return true;
    }
    if (row.type === "scale") return this.scaleKey(row, name);
    if (row.type === "choice") {
      const option = row.options.find((one) => one.key === name);
      if (option) this.set(row, option.value, false);
      return Boolean(option);
    }
    return this.verdictKey(row, name);
  }

  scaleKey(row, name) {
    if (!/^[1-9]$/.test(name)) return false;
    if (Number(name) <= row.max) this.set(row, Number(name), true);
    return true;
  }

  verdictKey(row, name) {
    if (name === "k" || name === "r") {
      this.set(row, name === "k" ? "keep" : "reject", name === "k");
      return true;
    }
    if (!/^[1-9]$/.test(name)) return false;
    const reason = row.reasons[Number(name) - 1];
    if (reason && this.values[row.id]?.verdict === "reject") this.toggleReason(row, reason.value);
    return true;
  }
}
