// Puts the page together: head, filters, the frontier with its tables, then a section for each kind of picture.
(() => {
  const { h, number } = imax.text;
  const { model, marks, plot } = imax;
  const { data, state } = model;
  const TITLES = { kind: "Source", model: "Model", gpu: "GPU", engine: "Engine", precision: "Precision", workload: "Workload" };
  const ISO = [10, 20, 25, 50, 75, 100, 125, 150, 200, 300];

  function head() {
    const simulated = data.runs.filter((run) => run.simulated).length, requests = data.runs.reduce((sum, run) => sum + run.requests.sent, 0);
    const invalid = data.runs.filter((run) => !run.meter_valid).length, stat = (value, word) => h("span", {}, h("b", {}, number(value)), ` ${word}`);
    const themes = ["auto", "light", "dark"], theme = h("button", { "aria-label": "colours: auto, light, dark", onclick: () => {
      const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3];
      if (next === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = next;
      theme.lastChild.textContent = ` ${next}`;
    } }, "◐", h("span", {}, " auto"));
    return h("header", { class: "top" },
      h("div", { class: "headline" }, h("div", {}, h("h1", {}, data.title), h("p", { class: "sub" }, `imaxproxy ${data.version}, made ${data.made_at}`)), theme),
      h("div", { class: "stats" }, stat(data.points.length, data.points.length === 1 ? "operating point" : "operating points"), stat(data.runs.length, data.runs.length === 1 ? "run" : "runs"), stat(requests, "requests"), stat(model.machines.length, model.machines.length === 1 ? "curve" : "curves"),
        data.runs.length ? h("span", {}, "figures of ", h("b", {}, data.window === "steady" ? "steady windows" : "whole runs")) : null),
      simulated ? h("div", { class: "notice sim" }, simulated === data.runs.length ? "SIMULATED: no GPU was measured, every engine in this report is a model of one." : `SIMULATED: ${simulated} of ${data.runs.length} runs are of a modelled engine; hollow marks, dashed lines.`, expected()) : null,
      invalid ? h("div", { class: "notice bad" }, `The meter was not valid in ${invalid} of ${data.runs.length} runs: `, h("a", { href: "#runs" }, "see why"), ".") : null,
      data.notes.length || data.left_out.length ? h("div", { class: "notice warn" }, leftOut()) : null);
  }

  function expected() {
    const errors = [...new Set(data.runs.filter((run) => run.simulated && run.engine.expected_error).map((run) => run.engine.expected_error))];
    return errors.length ? ` The model's own expected error: ${errors.map((error) => `${(error * 100).toFixed(0)} %`).join(", ")}.` : "";
  }

  function leftOut() {
    const lines = data.left_out.map((each) => h("li", {}, h("b", {}, each.path), `: ${each.why}`));
    return [data.notes.map((note) => h("div", {}, note)), lines.length > 4 ? h("details", {}, h("summary", {}, `${lines.length} things were left out`), h("ul", {}, lines)) : lines.length ? ["Left out:", h("ul", {}, lines)] : null];
  }

  function axisPicker(which) {
    const groups = {};
    for (const axis of data.axes) {
      if (model.points.some((point) => model.value(point, axis.name))) (groups[axis.group] ||= []).push(axis);
    }
    return h("select", { id: `axis-${which}`, "aria-label": `${which} axis`, onchange: (event) => model.change({ [which]: event.target.value }) },
      Object.entries(groups).map(([group, axes]) => h("optgroup", { label: group }, axes.map((axis) => h("option", { value: axis.name, selected: axis.name === state[which] }, axis.label)))));
  }

  function filters() {
    const host = h("div", {}), chosen = h("b", {});
    const say = () => {
      const off = model.DIMENSIONS.filter((dimension) => state.off[dimension].size);
      chosen.textContent = off.map((dimension) => model.options(dimension).filter((option) => !state.off[dimension].has(option)).join(", ") || "nothing").join("; ");
    };
    for (const dimension of model.DIMENSIONS) {
      const options = model.options(dimension);
      if (options.length < 2) continue;
      host.append(h("div", { class: "filter", "data-dimension": dimension }, h("span", {}, TITLES[dimension] ?? dimension), options.map((option) => {
        const chip = h("button", { class: "chip", "aria-pressed": String(!state.off[dimension].has(option)), onclick: () => {
          const off = state.off[dimension], was = off.has(option);
          if (was) off.delete(option); else off.add(option);
          chip.setAttribute("aria-pressed", String(was));
          say();
          model.change({ filters: true });
        } }, option);
        return chip;
      })));
    }
    say();
    return host.childElementCount ? h("details", { class: "filters", open: innerWidth >= 640 }, h("summary", {}, "Filters ", chosen), host) : null;
  }

  function legend(host) {
    host.replaceChildren(...model.shownMachines().map((machine) => h("button", { class: "item", "aria-pressed": String(!state.hidden.has(machine.index)),
      onclick: () => { if (!state.hidden.delete(machine.index)) state.hidden.add(machine.index); model.change({ filters: true }); },
      onpointerenter: () => model.change({ hovered: machine.points.find(model.shown) ?? null }), onpointerleave: () => model.change({ hovered: null }) },
    marks.sample(machine), h("span", {}, model.label(machine), " ", marks.tag(machine)))));
  }

  /** Machines at the same x, and how many times as good as the first one. */
  function isoTable(host) {
    const xAxis = model.axes[state.x], yAxis = model.axes[state.y], fronts = model.visible().map(({ machine, at }) => ({ machine, front: imax.curve.frontier(at, xAxis, yAxis) }));
    host.replaceChildren();
    if (!fronts.length || fronts.every(({ front }) => front.kept.length < 2)) return;
    const least = Math.min(...fronts.map(({ front }) => front.reach[0])), most = Math.max(...fronts.map(({ front }) => front.reach[1]));
    const xs = state.x.includes("interactivity") ? ISO.filter((x) => x >= least && x <= most) : imax.scale.of(state.logX, [least, most], 0, 1, { count: 7, zero: false }).ticks.filter((x) => x >= least && x <= most);
    if (!xs.length) return;
    const better = (y, base) => (yAxis.higher ? y / base : base / y);
    const bodies = fronts.map(({ machine, front }, order) => h("tr", {}, h("td", { class: "name" }, h("span", { class: "dot", style: `border-color:${marks.colour(machine)};background:${machine.simulated ? "transparent" : marks.colour(machine)}` }), model.label(machine), " ", marks.tag(machine)),
      xs.map((x) => {
        const y = front.at(x), base = fronts[0].front.at(x);
        return h("td", {}, y === null ? h("span", { class: "sub" }, "not reached") : number(y), y !== null && base !== null && order ? h("span", { class: "sub" }, ` ${better(y, base).toFixed(2)}×`) : null);
      })));
    const overlap = fronts.length < 2 || xs.some((x) => fronts.filter(({ front }) => front.at(x) !== null).length > 1);
    host.append(h("h3", { style: "margin-top:16px" }, "At the same ", xAxis.short),
      overlap ? "" : h("div", { class: "notice warn" }, "No two machines were measured at the same value of this axis: there is nothing to compare, for nothing is extrapolated."),
      h("div", { class: "scroll" }, h("table", { id: "iso" }, h("thead", {}, h("tr", {}, h("th", {}, yAxis.short), xs.map((x) => h("th", {}, number(x))))), h("tbody", {}, bodies))),
      h("p", { class: "sub", style: "margin-top:6px" }, "Read off the curves between points (Steffen's monotone cubic), never beyond them.", fronts.length > 1 ? ` ×: times as good as ${model.label(fronts[0].machine)}.` : ""));
  }

  function frontier() {
    const chart = plot.place("Pareto frontier", imax.frontierChart.draw), iso = h("div", {}), warnings = h("div", { class: "notice warn", role: "status" }), names = h("div", { class: "legend" }), chosen = h("div", {});
    const logs = ["X", "Y"].map((which) => h("label", { class: "short" }, h("input", { type: "checkbox", id: `log-${which.toLowerCase()}`, onchange: (event) => model.change({ [`log${which}`]: event.target.checked }) }), `log ${which.toLowerCase()}`));
    const again = () => {
      const lines = model.unlike();
      warnings.replaceChildren(...(lines.length > 1 ? [h("ul", {}, lines.map((line) => h("li", {}, line)))] : lines));
      legend(names);
      isoTable(iso);
      chart.redraw();
    };
    const open = () => chosen.replaceChildren(...(state.selected ? [imax.frontierChart.operating(state.selected)] : []));
    model.onChange((changes) => {
      const only = Object.keys(changes).every((name) => name === "hovered");
      if (only) { chart.element.imaxHighlight?.(); return; }
      if ("selected" in changes) { open(); chart.redraw(); return; }
      again();
      if (changes.money) open();
    });
    again();
    return h("section", { id: "frontier" },
      h("div", { class: "title" }, h("h2", {}, "Frontier"), h("span", { class: "sub" }, "Points that no other of their curve beats in both metrics. Hover, tap or arrow keys: the whole point; click or Enter keeps it.")),
      filters(), h("div", { class: "controls" }, h("label", {}, "Y", axisPicker("y")), h("label", {}, "X", axisPicker("x")), ...logs),
      warnings, h("div", { class: "split" }, chart.element, names),
      h("div", { class: "key" }, model.machines.some((each) => each.kind === "measured") ? h("span", {}, "solid, filled: measured") : null, model.machines.some((each) => each.simulated) ? h("span", {}, "dashed, hollow: ", h("span", { class: "tag sim" }, "SIMULATED")) : null, model.machines.some((each) => each.kind === "published") ? h("span", {}, "dotted, ×: published by others") : null,
        h("span", {}, "faint: beaten by another point"), model.points.some((point) => point.repeats > 1) ? h("span", {}, "bars: 95 % interval of the mean over repeats") : null),
      chosen, iso);
  }

  const sections = [frontier(), imax.percentileChart.section(), ...imax.timelineChart.sections(), imax.energyChart.section(), imax.costTable.section(), imax.compareBlock.section(), imax.runList.section()].filter(Boolean);
  const links = sections.map((section) => h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
  const again = data.command ? [h("p", { style: "margin-bottom:6px" }, "This page was made by:"), h("pre", {}, data.command)] : null;
  document.body.append(head(), h("nav", { "aria-label": "Sections" }, h("div", {}, links)), h("main", {}, sections),
    h("footer", {}, again, h("p", { style: "margin-top:10px" }, "One file; nothing is loaded and nothing leaves this page. Metrics as in docs/metrics.md, costs as in docs/cost.md of imaxproxy.")));
  document.documentElement.dataset.ready = "yes";
})();
