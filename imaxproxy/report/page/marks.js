// How a machine looks, the same in every chart: a hue, a shape, and hollow and dashed where it is simulated.
imax.marks = (() => {
  const { s } = imax.text;
  const SHAPES = [
    (r) => `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`,
    (r) => `M${-r * 0.88} ${-r * 0.88}H${r * 0.88}V${r * 0.88}H${-r * 0.88}Z`,
    (r) => `M0 ${-r * 1.2}L${r * 1.1} ${r * 0.8}H${-r * 1.1}Z`,
    (r) => `M0 ${-r * 1.25}L${r * 1.25} 0L0 ${r * 1.25}L${-r * 1.25} 0Z`,
    (r) => `M0 ${r * 1.2}L${r * 1.1} ${-r * 0.8}H${-r * 1.1}Z`,
  ];
  const CROSS = (r) => `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`;

  const colour = (machine) => `var(--c${machine.index % 8})`;
  const dash = (machine) => (machine.kind === "published" ? "1.5 4" : machine.simulated ? "6 4" : null);

  /** A point's mark at the origin. */
  function mark(machine, radius = 5) {
    if (machine.kind === "published") {
      return s("path", {
        d: CROSS(radius * 0.8),
        stroke: colour(machine),
        "stroke-width": 2,
        fill: "none",
        "stroke-linecap": "round",
      });
    }
    const shape = SHAPES[(machine.index + Math.floor(machine.index / 8)) % SHAPES.length];
    return s("path", {
      d: shape(radius),
      stroke: colour(machine),
      "stroke-width": machine.simulated ? 1.8 : 1,
      "stroke-linejoin": "round",
      fill: machine.simulated ? "var(--card)" : colour(machine),
    });
  }

  function sample(machine) {
    const svg = s("svg", { viewBox: "0 0 34 14", "aria-hidden": "true" });
    svg.append(
      s("line", {
        x1: 1,
        x2: 33,
        y1: 7,
        y2: 7,
        stroke: colour(machine),
        "stroke-width": 2,
        "stroke-dasharray": dash(machine),
      }),
    );
    const at = s("g", { transform: "translate(17 7)" });
    at.append(mark(machine, 4.4));
    svg.append(at);
    return svg;
  }

  /** What is said of a machine in a word. */
  function tag(machine) {
    if (machine.kind === "published")
      return imax.text.h("span", { class: "tag pub" }, machine.simulated ? "PUBLISHED, SIMULATED" : "PUBLISHED");
    return machine.simulated ? imax.text.h("span", { class: "tag sim" }, "SIMULATED") : null;
  }

  /** The cell of a table that names it. */
  function cell(machine, label) {
    const { h } = imax.text;
    const dot = `border-color:${colour(machine)};background:${machine.simulated ? "transparent" : colour(machine)}`;
    return h("td", { class: "name" }, h("span", { class: "dot", style: dot }), label, " ", tag(machine));
  }

  /** A hatch over what is simulated, for bars. */
  function hatch(svg, id) {
    svg.append(
      s(
        "defs",
        {},
        s(
          "pattern",
          { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
          s("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: "var(--card)", "stroke-width": 2.4, "stroke-opacity": 0.75 }),
        ),
      ),
    );
  }

  return { colour, dash, mark, sample, tag, cell, hatch };
})();
