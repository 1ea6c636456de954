// What tokens cost, with every assumption in reach: change one, and the table and all cost axes are reckoned anew.
imax.costTable = (() => {
  const { h, number } = imax.text;
  const { model, marks } = imax;
  const view = { sort: "usd_total", down: false, all: false };

  const COLUMNS = [
    ["machine", "machine", null],
    ["load", "load", null],
    ["interactivity", "tokens/s/user", (point) => mean(point, "interactivity")],
    ["rate", "tokens/s/GPU", (point) => mean(point, "total_per_gpu")],
    ["usd_total", "$/M tokens", (point) => mean(point, "usd_total")],
    ["usd_output", "$/M output", (point) => mean(point, "usd_output")],
    ["usd_input", "$/M input", (point) => mean(point, "usd_input")],
    ["usd_requests", "$/1,000 requests", (point) => mean(point, "usd_requests")],
    ["electricity", "power in $/M output", electricity],
    ["per_mw", "tokens/s/MW", (point) => mean(point, "total_per_mw")],
    ["margin", "margin", (point) => sold(point)?.margin],
    ["even", "break-even load", (point) => sold(point)?.breakEven],
  ];
  const mean = (point, name) => model.value(point, name)?.mean ?? null;
  const hours = (point, name) =>
    Array.isArray(point.gpu_hours[name]) ? point.gpu_hours[name][0] : point.gpu_hours[name];

  function electricity(point) {
    const price = model.state.prices[point.facts.gpu],
      of = hours(point, "output");
    return price && price.kw && of
      ? imax.money.electricityUsd(of, price.kw, price.boundary, price.pue, model.state.usdPerKwh)
      : null;
  }

  function sold(point) {
    const usd = model.usdPerGpuHour(point.facts.gpu),
      { sellInput, sellOutput, utilisation } = model.state;
    if (usd === null || !hours(point, "input") || !hours(point, "output")) return null;
    return imax.money.business(usd, hours(point, "input"), hours(point, "output"), sellInput, sellOutput, utilisation);
  }

  function rows() {
    const sells = model.state.sellInput || model.state.sellOutput;
    const columns = COLUMNS.filter(([name]) => sells || (name !== "margin" && name !== "even"));
    const priced = model
      .shownPoints()
      .filter((point) => model.value(point, "usd_total") || model.value(point, "usd_output"));
    const front = new Set(
      model
        .visible("interactivity", "usd_total")
        .flatMap(({ at }) =>
          imax.curve.frontier(at, model.axes.interactivity, model.axes.usd_total).kept.map((each) => each.point),
        ),
    );
    const points = view.all || !front.size ? priced : priced.filter((point) => front.has(point));
    const key = COLUMNS.find(([name]) => name === view.sort)[2],
      sign = view.down ? -1 : 1;
    const worst = view.down ? -Infinity : Infinity;
    points.sort((a, b) =>
      key
        ? sign * ((key(a) ?? worst) - (key(b) ?? worst))
        : sign * `${a.machineIndex}`.padStart(4).localeCompare(`${b.machineIndex}`.padStart(4)) || a.index - b.index,
    );
    return { columns, points, hidden: priced.length - points.length };
  }

  function table(host) {
    const { columns, points, hidden } = rows();
    const head = columns.map(([name, title]) =>
      h(
        "th",
        { "aria-sort": view.sort === name ? (view.down ? "descending" : "ascending") : null },
        h(
          "button",
          {
            onclick: () => {
              view.down = view.sort === name ? !view.down : false;
              view.sort = name;
              table(host);
            },
          },
          title,
          view.sort === name ? (view.down ? " ▾" : " ▴") : "",
        ),
      ),
    );
    const body = points.map((point) => {
      const machine = model.machines[point.machineIndex];
      return h(
        "tr",
        {},
        columns.map(([name, , read]) =>
          name === "machine"
            ? marks.cell(machine, model.label(machine))
            : name === "load"
              ? h("td", {}, point.load)
              : h(
                  "td",
                  { "data-column": name },
                  name === "margin" || name === "even" ? share(read(point)) : number(read(point)),
                ),
        ),
      );
    });
    host.replaceChildren(
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body))),
      h(
        "div",
        { class: "controls", style: "margin-top:8px" },
        hidden || view.all
          ? h(
              "button",
              {
                onclick: () => {
                  view.all = !view.all;
                  table(host);
                },
              },
              view.all ? "only points that no other beats" : `all ${points.length + hidden} points`,
            )
          : "",
      ),
    );
  }

  const share = (value) =>
    value === null || value === undefined || !isFinite(value) ? "–" : `${(value * 100).toFixed(0)} %`;

  function section() {
    if (!model.data.prices.gpus.length || !model.points.some((point) => Object.keys(point.gpu_hours).length))
      return null;
    const host = h("div", { id: "cost-table" });
    table(host);
    model.onChange((changes) => {
      if (model.redraws(changes)) table(host);
    });
    return h(
      "section",
      { id: "cost" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Cost"),
        h(
          "span",
          { class: "sub" },
          "Every GPU is paid for all the time. Output and input tokens are each charged the full GPU, so they do not add up. Power is part of the price.",
        ),
      ),
      imax.assumptions.form(),
      host,
    );
  }

  return { section };
})();
