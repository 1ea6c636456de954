// Puts the page together: the frontier with its choices and tables, then a section for each kind of picture.
(() => {
  const { h } = imax.text;
  const { model, plot, choices } = imax;
  const { data, state } = model;

  function frontier() {
    const chart = plot.place("Pareto frontier", imax.frontierChart.draw),
      iso = h("div", {}),
      warnings = h("div", { class: "notice warn", role: "status" }),
      names = h("div", { class: "legend" }),
      chosen = h("div", {});
    const logs = ["X", "Y"].map((which) =>
      h(
        "label",
        { class: "short" },
        h("input", {
          type: "checkbox",
          id: `log-${which.toLowerCase()}`,
          onchange: (event) => model.change({ [`log${which}`]: event.target.checked }),
        }),
        `log ${which.toLowerCase()}`,
      ),
    );
    const again = () => {
      const lines = model.unlike();
      warnings.replaceChildren(
        ...(lines.length > 1
          ? [
              h(
                "ul",
                {},
                lines.map((line) => h("li", {}, line)),
              ),
            ]
          : lines),
      );
      choices.legend(names);
      imax.isoTable.isoTable(iso);
      chart.redraw();
    };
    const open = () =>
      chosen.replaceChildren(...(state.selected ? [imax.frontierChart.operating(state.selected)] : []));
    model.onChange((changes) => {
      if (model.redraws(changes)) again();
      else if ("selected" in changes) chart.redraw();
      else if ("hovered" in changes) chart.element.imaxHighlight?.();
      if ("selected" in changes || changes.money) open();
    });
    again();
    open();
    return h(
      "section",
      { id: "frontier" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Frontier"),
        h(
          "span",
          { class: "sub" },
          "Points that no other of their curve beats in both metrics. Hover, tap or arrow keys: the whole point; click or Enter keeps it.",
        ),
      ),
      choices.filters(),
      h(
        "div",
        { class: "controls" },
        h("label", {}, "Y", choices.axisPicker("y")),
        h("label", {}, "X", choices.axisPicker("x")),
        ...logs,
      ),
      warnings,
      h("div", { class: "split" }, chart.element, names),
      h(
        "div",
        { class: "key" },
        model.machines.some((each) => each.kind === "measured") ? h("span", {}, "solid, filled: measured") : null,
        model.machines.some((each) => each.simulated)
          ? h("span", {}, "dashed, hollow: ", h("span", { class: "tag sim" }, "SIMULATED"))
          : null,
        model.machines.some((each) => each.kind === "published")
          ? h("span", {}, "dotted, ×: published by others")
          : null,
        h("span", {}, "faint: beaten by another of its curve"),
        model.points.some((point) => point.repeats > 1)
          ? h("span", {}, "bars: 95 % interval of the mean over repeats")
          : null,
      ),
      chosen,
      iso,
    );
  }

  const sections = [
    frontier(),
    imax.percentileChart.section(),
    imax.timelineChart.section(),
    imax.waterfallChart.section(),
    imax.energyChart.section(),
    imax.costTable.section(),
    imax.compareBlock.section(),
    imax.runList.section(),
  ].filter(Boolean);
  const links = sections.map((section) => h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  const again = data.command
    ? [h("p", { style: "margin-bottom:6px" }, "This page was made by:"), h("pre", {}, data.command)]
    : null;
  document.body.append(
    imax.head.head(),
    h("nav", { "aria-label": "Sections" }, h("div", {}, links)),
    h("main", {}, sections),
    h(
      "footer",
      {},
      again,
      h(
        "p",
        { style: "margin-top:10px" },
        "One file; nothing is loaded and nothing leaves this page. Metrics as in docs/metrics.md, costs as in docs/cost.md of imaxproxy.",
      ),
    ),
  );
  document.documentElement.dataset.ready = "yes";
})();
