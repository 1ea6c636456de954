// What tokens cost, with every assumption in reach: change one, and the table and all cost axes are reckoned anew.
imax.costTable = (() => {
  const { h, number } = imax.text;
  const { model, marks } = imax;
  const OWNER = [["capex_usd_per_gpu", "capital, $/GPU"], ["years", "life, years"], ["interest", "cost of capital, share a year"], ["residual", "left at the end, share"],
    ["fixed_usd_per_gpu_year", "fixed, $/GPU-year"], ["colocation_usd_per_kw_month", "room, $/kW-month"], ["drawn_share", "power drawn, share"], ["availability", "availability, share"]];
  const view = { sort: "usd_total", down: false, all: false };
  const first = structuredClone({ prices: model.state.prices, usdPerKwh: model.state.usdPerKwh });

  const COLUMNS = [
    ["machine", "machine", null], ["load", "load", null], ["interactivity", "tokens/s/user", (point) => mean(point, "interactivity")],
    ["rate", "tokens/s/GPU", (point) => mean(point, "total_per_gpu")], ["usd_total", "$/M tokens", (point) => mean(point, "usd_total")],
    ["usd_output", "$/M output", (point) => mean(point, "usd_output")], ["usd_input", "$/M input", (point) => mean(point, "usd_input")],
    ["usd_requests", "$/1,000 requests", (point) => mean(point, "usd_requests")], ["electricity", "power in $/M output", electricity],
    ["per_mw", "tokens/s/MW", (point) => mean(point, "total_per_mw")], ["margin", "margin", (point) => sold(point)?.margin], ["even", "break-even load", (point) => sold(point)?.breakEven],
  ];
  const mean = (point, name) => model.value(point, name)?.mean ?? null;
  const hours = (point, name) => (Array.isArray(point.gpu_hours[name]) ? point.gpu_hours[name][0] : point.gpu_hours[name]);

  function electricity(point) {
    const price = model.state.prices[point.facts.gpu], of = hours(point, "output");
    return price && price.kw && of ? imax.money.electricityUsd(of, price.kw, price.boundary, price.pue, model.state.usdPerKwh) : null;
  }

  function sold(point) {
    const usd = model.usdPerGpuHour(point.facts.gpu), { sellInput, sellOutput, utilisation } = model.state;
    if (usd === null || !hours(point, "input") || !hours(point, "output")) return null;
    return imax.money.business(usd, hours(point, "input"), hours(point, "output"), sellInput, sellOutput, utilisation);
  }

  function rows() {
    const sells = model.state.sellInput || model.state.sellOutput;
    const columns = COLUMNS.filter(([name]) => sells || (name !== "margin" && name !== "even"));
    const priced = model.shownPoints().filter((point) => model.value(point, "usd_total") || model.value(point, "usd_output"));
    const front = new Set(model.visible("interactivity", "usd_total").flatMap(({ at }) => imax.curve.frontier(at, model.axes.interactivity, model.axes.usd_total).kept.map((each) => each.point)));
    const points = view.all || !front.size ? priced : priced.filter((point) => front.has(point));
    const key = COLUMNS.find(([name]) => name === view.sort)[2], sign = view.down ? -1 : 1;
    const worst = view.down ? -Infinity : Infinity;
    points.sort((a, b) => (key ? sign * ((key(a) ?? worst) - (key(b) ?? worst)) : sign * `${a.machineIndex}`.padStart(4).localeCompare(`${b.machineIndex}`.padStart(4)) || a.index - b.index));
    return { columns, points, hidden: priced.length - points.length };
  }

  function table(host) {
    const { columns, points, hidden } = rows();
    const head = columns.map(([name, title]) => h("th", { "aria-sort": view.sort === name ? (view.down ? "descending" : "ascending") : null },
      h("button", { onclick: () => { view.down = view.sort === name ? !view.down : false; view.sort = name; table(host); } }, title, view.sort === name ? (view.down ? " ▾" : " ▴") : "")));
    const body = points.map((point) => {
      const machine = model.machines[point.machineIndex];
      return h("tr", {}, columns.map(([name, , read]) => (name === "machine" ? h("td", { class: "name" }, h("span", { class: "dot", style: `border-color:${marks.colour(machine)};background:${machine.simulated ? "transparent" : marks.colour(machine)}` }), model.label(machine), " ", marks.tag(machine))
        : name === "load" ? h("td", {}, point.load) : h("td", { "data-column": name }, name === "margin" || name === "even" ? share(read(point)) : number(read(point))))));
    });
    host.replaceChildren(h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body))),
      h("div", { class: "controls", style: "margin-top:8px" }, hidden || view.all ? h("button", { onclick: () => { view.all = !view.all; table(host); } }, view.all ? "only points that no other beats" : `all ${points.length + hidden} points`) : ""));
  }

  const share = (value) => (value === null || value === undefined || !isFinite(value) ? "–" : `${(value * 100).toFixed(0)} %`);

  /** A number that the reader may change; what is no number, or out of range, is not taken and is marked. */
  function input(label, value, was, set, { min = 0, above = false, max = Infinity, step = "any" } = {}) {
    const box = h("input", { type: "number", value: value ?? "", step, min, max: isFinite(max) ? max : null, "aria-label": label, placeholder: "unknown" });
    const mark = () => box.classList.toggle("edited", box.value !== "" && Number(box.value) !== was);
    box.addEventListener("input", () => {
      const number = box.value === "" ? NaN : Number(box.value), good = isFinite(number) && (above ? number > min : number >= min) && number <= max;
      box.setCustomValidity(good ? "" : `${label}: a number ${above ? "above" : "from"} ${min}${isFinite(max) ? ` to ${max}` : ""}`);
      if (!good) { box.reportValidity(); return; }
      mark();
      set(number);
      model.change({ money: true });
    });
    mark();
    return h("label", { class: "field" }, label, box);
  }

  function gpuFields(gpu, rebuild) {
    const price = model.state.prices[gpu.gpu], was = first.prices[gpu.gpu];
    const offers = [...gpu.offers.map((offer) => [offer.tenure, `${offer.tenure.replace("_", " ")}, $${number(offer.usd_per_gpu_hour)}/h`]), ["given", "a price of your own"], ...(gpu.owner ? [["own", "owner's cost"]] : [])];
    const chosen = gpu.offers.find((offer) => offer.tenure === price.taken);
    const own = price.taken === "own" && price.owner;
    const choose = (taken) => {
      const offer = gpu.offers.find((each) => each.tenure === taken);
      price.taken = taken;
      if (offer) price.usd = offer.usd_per_gpu_hour;
      model.change({ money: true });
      rebuild();
    };
    const known = offers.some(([tenure]) => tenure === price.taken);
    return h("fieldset", {}, h("legend", {}, gpu.gpu.toUpperCase()),
      h("label", { class: "field" }, "price", h("select", { "aria-label": `price of ${gpu.gpu}`, value: price.taken, onchange: (event) => choose(event.target.value) },
        [...(known ? [] : [[price.taken, price.taken]]), ...offers].map(([tenure, title]) => h("option", { value: tenure, selected: tenure === price.taken }, title)))),
      own ? OWNER.map(([name, title]) => input(title, price.owner[name], was.owner[name], (value) => { price.owner[name] = value; }, { above: ["capex_usd_per_gpu", "years", "drawn_share", "availability"].includes(name), max: ["residual", "availability"].includes(name) ? 1 : Infinity }))
        : input("$/GPU-hour", price.usd, was.usd, (value) => { price.usd = value; price.taken = "given"; }, { above: true }),
      input(`kW/GPU${price.boundary ? `, ${price.boundary === "it" ? "IT" : price.boundary}` : ""}`, price.kw, was.kw, (value) => { price.kw = value; price.boundary ||= "it"; }, { above: true }),
      price.boundary === "facility" ? null : input("PUE", price.pue, was.pue, (value) => { price.pue = value; }, { min: 1 }),
      h("div", { class: "source", "data-hour": gpu.gpu }),
      h("div", { class: "source" }, chosen ? `${chosen.source}, ${chosen.as_of || "undated"}. ` : price.usd === null ? "No price of this GPU is known: type one in. " : "", gpu.kw_source ? `Power: ${gpu.kw_source}.` : ""));
  }

  function fields(host) {
    const { data, state } = model, rebuild = () => fields(host);
    host.replaceChildren(...data.prices.gpus.map((gpu) => gpuFields(gpu, rebuild)),
      h("fieldset", {}, h("legend", {}, "For all"),
        input("power, $/kWh", state.usdPerKwh, first.usdPerKwh, (value) => { state.usdPerKwh = value; }),
        input("utilisation, share", state.utilisation, 1, (value) => { state.utilisation = value; }, { above: true, max: 1 }),
        input("sell input, $/M", state.sellInput, 0, (value) => { state.sellInput = value; }),
        input("sell output, $/M", state.sellOutput, 0, (value) => { state.sellOutput = value; }),
        h("div", { class: "source" }, `${data.prices.power.source}, ${data.prices.power.as_of || "as given"}. Utilisation: the share of paid time at this operating point.`),
        h("button", { onclick: () => { Object.assign(state, structuredClone(first), { utilisation: 1, sellInput: 0, sellOutput: 0 }); model.change({ money: true }); rebuild(); } }, "back to the report's")));
    hours_(host);
  }

  /** What a GPU-hour comes to where it is the owner's. */
  function hours_(host) {
    for (const line of host.querySelectorAll("[data-hour]")) {
      const price = model.state.prices[line.dataset.hour], usd = model.usdPerGpuHour(line.dataset.hour);
      line.textContent = price.taken === "own" && usd !== null ? `A GPU-hour comes to $${number(usd)}.` : "";
    }
  }

  function section() {
    if (!model.data.prices.gpus.length || !model.points.some((point) => Object.keys(point.gpu_hours).length)) return null;
    const form = h("div", { class: "assumptions", id: "assumptions" }), host = h("div", { id: "cost-table" });
    fields(form);
    table(host);
    model.onChange((changes) => {
      if ("hovered" in changes || "selected" in changes) return;
      if (changes.money) hours_(form);
      table(host);
    });
    return h("section", { id: "cost" },
      h("div", { class: "title" }, h("h2", {}, "Cost"), h("span", { class: "sub" }, "Every GPU is paid for all the time. Output and input tokens are each charged the full GPU, so they do not add up. Power is part of the price.")),
      form, host);
  }

  return { section };
})();
