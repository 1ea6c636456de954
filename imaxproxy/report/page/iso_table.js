// Machines at the same value of the x axis, read off their curves.
imax.isoTable = (() => {
  const { h, number } = imax.text;
  const { model, marks } = imax;
  const { state } = model;
  const ISO = [10, 20, 25, 50, 75, 100, 125, 150, 200, 300];

  /** Machines at the same x, and how many times as good as the first one. */
  function isoTable(host) {
    const xAxis = model.axes[state.x],
      yAxis = model.axes[state.y],
      fronts = model.visible().map(({ machine, at }) => ({ machine, front: imax.curve.frontier(at, xAxis, yAxis) }));
    host.replaceChildren();
    if (!fronts.length || fronts.every(({ front }) => front.kept.length < 2)) return;
    const least = Math.min(...fronts.map(({ front }) => front.reach[0])),
      most = Math.max(...fronts.map(({ front }) => front.reach[1]));
    const xs = state.x.includes("interactivity")
      ? ISO.filter((x) => x >= least && x <= most)
      : imax.scale
          .of(state.logX, [least, most], 0, 1, { count: 7, zero: false })
          .ticks.filter((x) => x >= least && x <= most);
    if (!xs.length) return;
    const better = (y, base) => (yAxis.higher ? y / base : base / y);
    const bodies = fronts.map(({ machine, front }, order) =>
      h(
        "tr",
        {},
        marks.cell(machine, model.label(machine)),
        xs.map((x) => {
          const y = front.at(x),
            base = fronts[0].front.at(x);
          return h(
            "td",
            {},
            y === null ? h("span", { class: "sub" }, "not reached") : number(y),
            y !== null && base !== null && order
              ? h("span", { class: "sub" }, ` ${better(y, base).toFixed(2)}×`)
              : null,
          );
        }),
      ),
    );
    const overlap = fronts.length < 2 || xs.some((x) => fronts.filter(({ front }) => front.at(x) !== null).length > 1);
    host.append(
      h("h3", { style: "margin-top:16px" }, "At the same ", xAxis.short),
      overlap
        ? ""
        : h(
            "div",
            { class: "notice warn" },
            "No two machines were measured at the same value of this axis: there is nothing to compare, for nothing is extrapolated.",
          ),
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          { id: "iso" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", {}, yAxis.short),
              xs.map((x) => h("th", {}, number(x))),
            ),
          ),
          h("tbody", {}, bodies),
        ),
      ),
      h(
        "p",
        { class: "sub", style: "margin-top:6px" },
        "Read off the curves between points (Steffen's monotone cubic), never beyond them.",
        fronts.length > 1 ? ` ×: times as good as ${model.label(fronts[0].machine)}.` : "",
      ),
    );
  }

  return { isoTable };
})();
