// The report's data and what the reader has chosen of it. Charts subscribe; nothing else holds state.
imax.model = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const axes = Object.fromEntries(data.axes.map((axis, place) => [axis.name, { ...axis, place }]));
  const DIMENSIONS = ["kind", ...data.dimensions];
  const listeners = [];

  const points = data.points.map((point, index) => ({ ...point, index, facts: { ...point.facts, kind: point.kind } }));
  const machines = [];
  for (const point of points) {
    const name = point.machine + (data.workloads > 1 && point.facts.workload ? ` · ${point.facts.workload}` : "");
    let machine = machines.find((each) => each.name === name);
    if (!machine)
      machines.push(
        (machine = { name, index: machines.length, kind: point.kind, simulated: point.simulated, points: [] }),
      );
    machine.points.push(point);
    machine.simulated ||= point.simulated;
    point.machineIndex = machine.index;
  }

  const state = {
    x: null,
    y: null,
    logX: false,
    logY: false,
    off: {},
    hidden: new Set(),
    selected: null,
    hovered: null,
    run: Object.keys(data.details).length ? +Object.keys(data.details)[0] : null,
    prices: {},
    usdPerKwh: data.prices.power.value,
    utilisation: 1,
    sellInput: 0,
    sellOutput: 0,
  };
  for (const dimension of DIMENSIONS) state.off[dimension] = new Set();
  const wanted = (fallbacks) =>
    fallbacks.find((name) => points.some((point) => point.values[axes[name].place] !== null)) || fallbacks[0];
  state.x = wanted(["interactivity", "e2e_interactivity", "e2e_p50", "ttft_p50"]);
  state.y = wanted(["total_per_gpu", "output_per_gpu", "total_rate", "output_rate", "request_rate"]);
  for (const gpu of data.prices.gpus) {
    state.prices[gpu.gpu] = {
      taken: gpu.taken,
      usd: gpu.usd_per_gpu_hour,
      kw: gpu.kw_per_gpu,
      boundary: gpu.kw_boundary,
      pue: gpu.pue ? gpu.pue.value : 1.3,
      owner: gpu.owner ? { ...gpu.owner } : null,
    };
  }

  const options = (dimension) => [...new Set(points.map((point) => point.facts[dimension] ?? "unknown"))];
  // Unlike things are not drawn as one picture unless the reader wants it: the model and workload with most points come first.
  for (const dimension of ["model", "workload"]) {
    const own = points.filter((point) => point.kind !== "published");
    const found = [...new Set(own.map((point) => point.facts[dimension] ?? "unknown"))];
    if (found.length < 2) continue;
    const count = (name) =>
      own.filter((point) => (point.facts[dimension] ?? "unknown") === name && shown(point)).length;
    const most = found.reduce((best, name) => (count(name) > count(best) ? name : best));
    found.filter((name) => name !== most).forEach((name) => state.off[dimension].add(name));
  }

  function shown(point) {
    return DIMENSIONS.every((dimension) => !state.off[dimension].has(point.facts[dimension] ?? "unknown"));
  }

  /** What a GPU-hour costs by the prices in the page; null where nobody said. */
  function usdPerGpuHour(gpu) {
    const price = state.prices[gpu];
    if (!price) return null;
    if (price.taken === "own" && price.owner && price.kw !== null) {
      return imax.money.ownersHour(price.owner, price.kw, price.pue, state.usdPerKwh).usd;
    }
    return price.usd;
  }

  const scaled = (value, factor) =>
    value ? { mean: value.mean * factor, low: scaledBy(value.low, factor), high: scaledBy(value.high, factor) } : null;
  const scaledBy = (bound, factor) => (bound === null ? null : bound * factor);
  const unpack = (value) =>
    value === null || value === undefined
      ? null
      : Array.isArray(value)
        ? { mean: value[0], low: value[1], high: value[2] }
        : { mean: value, low: null, high: null };

  /** A point's value on an axis, {mean, low, high} or null; money and provisioned power by the prices in the page. */
  function value(point, name) {
    const price = state.prices[point.facts.gpu];
    if (name === "usd_total" || name === "usd_output" || name === "usd_input" || name === "usd_requests") {
      const usd = usdPerGpuHour(point.facts.gpu);
      return usd === null ? null : scaled(unpack(point.gpu_hours[name.slice(4)]), usd / state.utilisation);
    }
    if (name === "total_per_mw" || name === "output_per_mw") {
      if (!price || !price.kw) return null;
      return scaled(
        unpack(point.values[axes[name.replace("_mw", "_gpu")].place]),
        1000 / imax.money.facilityKw(price.kw, price.boundary, price.pue),
      );
    }
    return unpack(point.values[axes[name].place]);
  }

  /** Points that pass the filters and have both metrics, as {x, y, point} with their means; by machine. */
  function visible(x = state.x, y = state.y) {
    return machines
      .filter((machine) => !state.hidden.has(machine.index))
      .map((machine) => ({
        machine,
        at: machine.points
          .filter(shown)
          .map((point) => ({ point, xi: value(point, x), yi: value(point, y) }))
          .filter((each) => each.xi && each.yi)
          .map((each) => ({ ...each, x: each.xi.mean, y: each.yi.mean })),
      }))
      .filter((each) => each.at.length);
  }

  /** A machine's name without what all shown ones share: `b200 vllm` where the model stands in the filters. */
  function label(machine) {
    const seen = shownMachines();
    if (!seen.includes(machine)) return machine.name;
    const vary = data.dimensions.filter(
      (dimension) =>
        dimension === "gpu" ||
        dimension === "engine" ||
        new Set(seen.map((each) => each.points[0].facts[dimension])).size > 1,
    );
    const short = (each) =>
      vary
        .map((dimension) => each.points[0].facts[dimension])
        .filter(Boolean)
        .join(" ") + (/ \[.*\]$/.exec(each.points[0].machine)?.[0] ?? "");
    const mine = short(machine);
    return mine && seen.filter((each) => short(each) === mine).length === 1 ? mine : machine.name;
  }

  const shownPoints = () => points.filter((point) => shown(point) && !state.hidden.has(point.machineIndex));
  if (points.filter(shown).length === 1) state.selected = points.find(shown); // the whole of it at once

  const shownMachines = () => machines.filter((machine) => machine.points.some(shown));

  /** What would make the picture one of unlike things; one plain line each. */
  function unlike() {
    const seen = shownPoints(),
      lines = [];
    for (const [dimension, words] of [
      ["model", "models"],
      ["workload", "workloads"],
    ]) {
      const found = [...new Set(seen.map((point) => point.facts[dimension] ?? "unknown"))];
      if (found.length > 1) lines.push(`Different ${words} are shown together: ${found.join(", ")}.`);
    }
    const kinds = new Set(seen.filter((point) => point.kind !== "published").map((point) => point.kind));
    if (kinds.size > 1) lines.push("Simulated points stand beside measured ones.");
    if (seen.some((point) => point.kind === "published"))
      lines.push("Published points were measured by others, by their definitions and on their load.");
    const own = seen.flatMap((point) => point.runs.map((run) => data.runs[run]));
    for (const [what, of] of [
      ["ways of counting tokens", (run) => run.tokens.counted_by],
      ["endpoints", (run) => run.endpoint],
    ]) {
      const found = [...new Set(own.map(of))];
      if (found.length > 1)
        lines.push(`Runs of different ${what}: ${found.map((each) => each ?? "unknown").join(", ")}.`);
    }
    const doubtful = seen.filter((point) => point.warnings.length);
    if (doubtful.length)
      lines.push(
        `${doubtful.length} of ${seen.length} points are not to be believed as they stand (marked !): open one to see why.`,
      );
    const missing = seen.filter((point) => !value(point, state.x) || !value(point, state.y)).length;
    if (missing) lines.push(`${missing} of ${seen.length} points lack one of the two metrics and are not drawn.`);
    return lines;
  }

  /** Take the reader's choice over and tell everybody. A chosen point brings its run along, where that was read. */
  function change(changes) {
    const run = changes.selected?.runs.find((each) => data.details[each]);
    if (run !== undefined) changes.run = run;
    Object.assign(state, changes);
    for (const listener of listeners) listener(changes);
  }

  /** Whether other points, or other figures of them, are to be drawn. */
  const redraws = (changes) => Object.keys(changes).some((name) => !["hovered", "selected", "run"].includes(name));

  return {
    redraws,
    data,
    axes,
    points,
    machines,
    state,
    DIMENSIONS,
    options,
    shown,
    value,
    visible,
    shownPoints,
    shownMachines,
    unlike,
    usdPerGpuHour,
    label,
    change,
    onChange: (listener) => listeners.push(listener),
  };
})();
