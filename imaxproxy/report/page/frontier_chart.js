// The Pareto frontier: points of machines on any two metrics, the curve through the best of them, the whole point on hover.
imax.frontierChart = (() => {
  const { h, s, number, interval } = imax.text;
  const { model, plot, marks, scale } = imax;
  /** c64, r2; of loads without a number what tells them apart. */
  function shortLoad(load) {
    const found = /^(c)oncurrency ([\d.]+)|^(r)ate ([\d.]+)/.exec(load);
    return found ? (found[1] ?? found[3]) + (found[2] ?? found[4]) : load.split(", ").at(-1);
  }

  function draw(svg, width, element) {
    const narrow = width < 560,
      few = model.visible().reduce((sum, each) => sum + each.at.length, 0) < 3,
      height = narrow ? Math.round(width * 1.02) : few ? 300 : Math.max(400, Math.min(540, width * 0.6));
    const frame = { left: narrow ? 46 : 58, right: width - 14, top: 34, bottom: height - 46 };
    plot.size(svg, width, height);
    const { state, axes } = model,
      xAxis = axes[state.x],
      yAxis = axes[state.y],
      seen = model.visible();
    const all = seen.flatMap((each) => each.at);
    const bounds = (side) =>
      all.flatMap((each) =>
        [each[side].mean, each[side].low, each[side].high].filter((bound) => bound !== null && bound > 0),
      );
    const x = scale.of(state.logX, bounds("xi"), frame.left, frame.right, { count: narrow ? 5 : 9 });
    const y = scale.of(state.logY, bounds("yi"), frame.bottom, frame.top, { count: 7 });
    plot.yAxis(svg, y, { ...frame, title: yAxis.label });
    plot.xAxis(svg, x, { ...frame, title: xAxis.label });
    if (!all.length) {
      svg.append(
        s(
          "text",
          { x: (frame.left + frame.right) / 2, y: height / 2, "text-anchor": "middle" },
          "No point passes the filters and has both metrics.",
        ),
      );
      return;
    }
    watermark(svg, seen, frame);
    better(svg, xAxis, yAxis, frame);
    const drawn = [];
    for (const { machine, at } of seen) {
      const front = imax.curve.frontier(at, xAxis, yAxis);
      const group = s("g", { class: "series", "data-machine": machine.index });
      group.append(line(front, machine, x, y));
      for (const each of front.dominated) drawn.push(dot(group, each, machine, x, y, false, all.length));
      for (const each of front.kept)
        drawn.push({ ...dot(group, each, machine, x, y, true, all.length), isFront: true });
      svg.append(group);
    }
    const words = svg.appendChild(s("g"));
    element.imaxHighlight = () => highlight(svg, words, drawn, frame, narrow);
    element.imaxHighlight();
    const chosen = drawn.find((each) => each.point === state.selected);
    if (chosen)
      svg.append(
        s("circle", { cx: chosen.px, cy: chosen.py, r: 10.5, fill: "none", stroke: "var(--ink)", "stroke-width": 1.6 }),
      );
    interact(svg, element, drawn);
  }

  /** The hovered machine stands out, and its loads are named; all of them where there is room for that. */
  function highlight(svg, words, drawn, frame, narrow) {
    const hot = model.state.hovered,
      focus = hot ? hot.machineIndex : null;
    for (const group of svg.querySelectorAll(".series"))
      group.setAttribute("opacity", focus === null || +group.dataset.machine === focus ? 1 : 0.2);
    words.replaceChildren();
    const named = drawn.filter(
      (each) => each.isFront && (focus === null ? drawn.length <= 40 && !narrow : each.machine.index === focus),
    );
    plot.labels(
      words,
      named.map((each) => ({ x: each.px, y: each.py, text: shortLoad(each.point.load) })),
      drawn.map((each) => [each.px, each.py, 5]),
      frame,
    );
  }

  /** Steffen's curve between the points of the frontier, in pixels; nothing beyond them. */
  function line(front, machine, x, y) {
    const [from, to] = front.reach,
      parts = [];
    if (front.kept.length > 1) {
      const pixels = Math.ceil(Math.abs(x(to) - x(from)) / 3),
        knots = new Set(front.kept.map((each) => each.x));
      for (let i = 0; i <= pixels; i++)
        knots.add(Math.min(to, Math.max(from, x.invert(x(from) + ((x(to) - x(from)) * i) / pixels))));
      for (const at of [...knots].sort((a, b) => a - b))
        parts.push(`${x(at).toFixed(1)} ${y(front.at(at)).toFixed(1)}`);
    }
    return s("path", {
      d: parts.length ? `M${parts.join("L")}` : "",
      fill: "none",
      stroke: marks.colour(machine),
      "stroke-width": 2.2,
      "stroke-dasharray": marks.dash(machine),
      "stroke-linejoin": "round",
      "stroke-opacity": machine.simulated ? 0.85 : 1,
    });
  }

  function dot(group, each, machine, x, y, isFront, count) {
    const px = x(each.x),
      py = y(each.y),
      holder = s("g", { transform: `translate(${px.toFixed(1)} ${py.toFixed(1)})`, opacity: isFront ? 1 : 0.5 });
    for (const [value, to, across] of [
      [each.yi, y, false],
      [each.xi, x, true],
    ]) {
      if (value.low === null || value.low === value.high) continue;
      const low = to(Math.max(value.low, 1e-12)) - (across ? px : py),
        high = to(value.high) - (across ? px : py);
      const ends = across ? { x1: low, x2: high, y1: 0, y2: 0 } : { x1: 0, x2: 0, y1: low, y2: high };
      holder.append(s("line", { ...ends, stroke: marks.colour(machine), "stroke-width": 1.3, class: "error-bar" }));
      for (const end of [low, high]) {
        const cap = across ? { x1: end, x2: end, y1: -3.5, y2: 3.5 } : { x1: -3.5, x2: 3.5, y1: end, y2: end };
        holder.append(s("line", { ...cap, stroke: marks.colour(machine), "stroke-width": 1.3 }));
      }
    }
    const radius = count > 300 ? 3.4 : isFront ? 5.2 : 3.8;
    holder.append(marks.mark(machine, radius));
    if (each.point.warnings.length)
      holder.append(s("text", { x: 6, y: -5, fill: "var(--bad)", style: "font-weight:800;fill:var(--bad)" }, "!"));
    group.append(holder);
    return { px, py, point: each.point, x: each.x, y: each.y, machine };
  }

  function watermark(svg, seen, frame) {
    const simulated = seen.filter((each) => each.machine.simulated).length;
    if (!simulated) return;
    plot.watermark(svg, frame, 88, simulated === seen.length ? "SIMULATED" : "DASHED = SIMULATED");
  }

  function better(svg, xAxis, yAxis, frame) {
    const right = xAxis.higher,
      up = yAxis.higher,
      arrow = right ? (up ? "↗" : "↘") : up ? "↖" : "↙";
    svg.append(
      s("text", { class: "better", x: frame.right, y: frame.top - 12, "text-anchor": "end" }, `better ${arrow}`),
    );
  }

  function interact(svg, element, drawn) {
    const nearest = (event, reach) => {
      const [px, py] = plot.at(svg, event);
      let best = null,
        least = reach ** 2;
      for (const each of drawn) {
        const far = (each.px - px) ** 2 + (each.py - py) ** 2;
        if (far < least) [best, least] = [each, far];
      }
      return best;
    };
    const show = (each) => plot.tip(element, each.px, each.py, whole(each.point));
    const hover = (each) => {
      const point = each ? each.point : null;
      if (point === model.state.hovered) return;
      model.change({ hovered: point });
      if (each) show(each);
      else plot.hideTip(element);
    };
    svg.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") hover(nearest(event, 26));
    });
    svg.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") hover(null);
    });
    svg.addEventListener("click", (event) => {
      const each = nearest(event, 34);
      model.change({ selected: each ? each.point : null, hovered: each ? each.point : null });
      if (each) show(each);
    });
    svg.addEventListener("keydown", (event) => {
      const next = walk(drawn, model.state.hovered, event.key);
      if (next) {
        event.preventDefault();
        hover(next);
      }
      if (event.key === "Enter" && model.state.hovered) model.change({ selected: model.state.hovered });
      if (event.key === "Escape") hover(null);
    });
  }

  /** Arrow keys: left and right along a machine's points, up and down from machine to machine. */
  function walk(drawn, current, key) {
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(key)) return null;
    const order = [...drawn].sort((a, b) => a.machine.index - b.machine.index || a.px - b.px);
    const place = order.findIndex((each) => each.point === current);
    if (place < 0) return order[0];
    const here = order[place],
      same = order.filter((each) => each.machine === here.machine),
      along = same.indexOf(here);
    if (key === "ArrowLeft") return same[Math.max(0, along - 1)];
    if (key === "ArrowRight") return same[Math.min(same.length - 1, along + 1)];
    const others = [...new Set(order.map((each) => each.machine))],
      step = key === "ArrowUp" ? -1 : 1;
    const machine = others[(others.indexOf(here.machine) + step + others.length) % others.length];
    return order
      .filter((each) => each.machine === machine)
      .reduce((best, each) => (Math.abs(each.px - here.px) < Math.abs(best.px - here.px) ? each : best));
  }

  const row = (name, text) => [h("dt", {}, name), h("dd", {}, text)];
  const figure = (point, axis, digits = number) => {
    const value = model.value(point, axis);
    return value ? digits(value.mean) : "–";
  };

  /** An operating point in a dozen lines. */
  function whole(point) {
    const machine = model.machines[point.machineIndex],
      { state, axes } = model;
    const axisRow = (name) => {
      const value = model.value(point, name);
      return row(axes[name].short, h("b", {}, value ? number(value.mean) + interval(value) : "–"));
    };
    const runs = point.runs.map((run) => model.data.runs[run]);
    const sent = runs.reduce((sum, run) => sum + run.requests.sent, 0),
      done = runs.reduce((sum, run) => sum + run.requests.completed, 0);
    return [
      h("div", {}, h("b", {}, model.label(machine)), " ", marks.tag(machine)),
      h(
        "div",
        { class: "sub" },
        point.load,
        point.repeats > 1 ? `, ${point.repeats} repeats` : "",
        point.as_of ? `, ${point.as_of}` : "",
      ),
      h(
        "dl",
        { class: "facts" },
        axisRow(state.x),
        axisRow(state.y),
        row("TTFT p50 / p99", `${figure(point, "ttft_p50")} / ${figure(point, "ttft_p99")} ms`),
        row("TPOT p50 / p99", `${figure(point, "tpot_p50")} / ${figure(point, "tpot_p99")} ms`),
        row("E2E p50 / p99", `${figure(point, "e2e_p50")} / ${figure(point, "e2e_p99")} ms`),
        row("tokens/s/GPU, all / out", `${figure(point, "total_per_gpu")} / ${figure(point, "output_per_gpu")}`),
        row("$/M, all / output", `${figure(point, "usd_total")} / ${figure(point, "usd_output")}`),
        row("tokens/s/MW", figure(point, "total_per_mw")),
        row("J/output token", figure(point, "j_output")),
        sent ? row("requests", `${number(done)} of ${number(sent)} completed`) : [],
      ),
      point.warnings.map((why) => h("div", { class: "tag bad", style: "white-space:normal" }, why)),
      point.source ? h("div", { class: "sub" }, point.source) : null,
    ];
  }

  /** All of a chosen point, below the chart. */
  function operating(point) {
    const machine = model.machines[point.machineIndex],
      groups = {};
    for (const axis of model.data.axes) (groups[axis.group] ||= []).push(axis);
    const columns = Object.entries(groups).map(([group, axes]) => {
      const rows = axes.map((axis) => [axis, model.value(point, axis.name)]).filter(([, value]) => value);
      return rows.length
        ? h(
            "div",
            {},
            h("h3", {}, group),
            h(
              "dl",
              { class: "facts" },
              rows.map(([axis, value]) => row(axis.short, number(value.mean) + interval(value))),
            ),
          )
        : null;
    });
    const links = point.runs.map((run) =>
      h("a", { href: `#run-${run}`, onclick: () => imax.runList.open(run) }, model.data.runs[run].name),
    );
    return h(
      "div",
      { class: "operating", id: "operating-point" },
      h("div", { class: "title" }, h("h3", {}, machine.name, ", ", point.load, " ", marks.tag(machine))),
      h(
        "p",
        { class: "sub" },
        point.runs.length
          ? [
              `Figures of the ${model.data.window} ${model.data.window === "steady" ? "window" : "run"}`,
              point.repeats > 1 ? `; in brackets the 95 % interval of the mean over ${point.repeats} repeats. ` : ". ",
              point.repeats > 1 ? "Runs: " : "Run: ",
              links.flatMap((link, i) => (i ? [", ", link] : [link])),
            ]
          : `${point.source}, ${point.as_of || "undated"}`,
      ),
      point.warnings.length ? h("div", { class: "notice bad" }, point.warnings.join("; ")) : null,
      h("div", { class: "columns" }, columns),
    );
  }

  return { draw, operating, whole };
})();
