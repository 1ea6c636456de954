// Tables whose heads sort them. A table's rows are made anew each second; its heads stay, and so does the focus.

const cellOf = (value) => {
  const cell = document.createElement("td");
  if (value instanceof Node) cell.append(value);
  else if (value && typeof value === "object") {
    cell.textContent = value.text;
    if (value.class) cell.className = value.class;
  } else cell.textContent = value ?? "";
  return cell;
};

export class Table {
  // columns: [title, "text" or "number", row => what is sorted by or null, row => cell]
  constructor(element, columns, sortBy = null, onSort = () => {}) {
    this.columns = columns;
    this.sortBy = sortBy;
    this.descending = true;
    this.onSort = onSort;
    this.heads = columns.map(([title, kind, key], index) => {
      const head = document.createElement("th");
      head.scope = "col";
      if (kind === "text") head.className = "text";
      if (key) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = title;
        button.addEventListener("click", () => this.sort(index));
        head.append(button);
      } else head.textContent = title;
      return head;
    });
    const top = document.createElement("thead");
    const line = document.createElement("tr");
    line.append(...this.heads);
    top.append(line);
    this.body = document.createElement("tbody");
    element.replaceChildren(top, this.body);
    this.mark();
  }

  sort(index) {
    if (this.sortBy === index) this.descending = !this.descending;
    else [this.sortBy, this.descending] = [index, this.columns[index][1] !== "text"];
    this.mark();
    this.onSort();
  }

  mark() {
    this.heads.forEach((head, index) => {
      if (index === this.sortBy) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  // empty: what is said where there is no row.
  show(rows, empty) {
    const ordered = this.sortBy === null ? rows : this.ordered(rows);
    const lines = ordered.map((row) => {
      const line = document.createElement("tr");
      line.append(
        ...this.columns.map(([, kind, , cell]) => {
          const made = cellOf(cell(row));
          if (kind === "text") {
            made.classList.add("text");
            made.title = made.textContent;
          }
          return made;
        }),
      );
      return line;
    });
    if (!lines.length) {
      const line = document.createElement("tr");
      const cell = cellOf({ text: empty, class: "text soft" });
      cell.colSpan = this.columns.length;
      line.append(cell);
      lines.push(line);
    }
    this.body.replaceChildren(...lines);
  }

  ordered(rows) {
    const key = this.columns[this.sortBy][2];
    const turn = this.descending ? -1 : 1;
    return [...rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === b) return 0;
      if (a === null || a === undefined) return 1; // what is not known stands last, whichever way it goes
      if (b === null || b === undefined) return -1;
      return a < b ? -turn : turn;
    });
  }
}
