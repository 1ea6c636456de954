// Latency distributions as HdrHistogram's plots have them: the further right, the rarer, so that tails can be seen.
imax.percentileChart = (() => {
  const { h, s, milliseconds } = imax.text;
  const { model, plot, marks, scale } = imax;
  const TICKS = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];
  const state = { metric: null, show: "load", logY: false };

  const nines = (percentile) => Math.log10(100 / (100 - Math.min(percentile, 99.99999)));

  /** Points whose first run is drawn: the chosen one, its like on other machines, or its machine's others. */
  function chosen() {
    const seen = model.shownPoints().filter((point) => point.runs.some((run) => model.data.distributions[run]));
    const anchor = seen.includes(model.state.selected) ? model.state.selected : null;
    if (state.show === "machine") {
      const index = anchor ? anchor.machineIndex : seen[0]?.machineIndex;
      return seen.filter((point) => point.machineIndex === index);
    }
    if (anchor) {
      const others = model.shownMachines().flatMap((machine) => {
        const same = machine.points.filter((point) => seen.includes(point));
        return same.find((point) => point === anchor) || same.find((point) => point.load === anchor.load) || [];
      });
      return others.length ? others : [anchor];
    }
    if (seen.length <= 8) return seen;
    return model.shownMachines().flatMap((machine) => {
      const same = machine.points.filter((point) => seen.includes(point));
      return same.length ? [same[Math.floor(same.length / 2)]] : [];
    });
  }

  function series() {
    return chosen()
      .map((point) => {
        const run = point.runs.find((each) => model.data.distributions[each]?.[state.metric]);
        return run === undefined
          ? null
          : {
              point,
              run,
              values: model.data.distributions[run][state.metric],
              machine: model.machines[point.machineIndex],
            };
      })
      .filter(Boolean)
      .slice(0, 12);
  }

  function draw(svg, width, element) {
    const height = width < 560 ? 300 : 350,
      frame = { left: 58, right: width - 16, top: 34, bottom: height - 44 };
    plot.size(svg, width, height);
    const lines = series(),
      { percentiles } = model.data;
    if (!lines.length) {
      svg.append(
        s(
          "text",
          { x: width / 2, y: height / 2, "text-anchor": "middle" },
          "No distribution of this metric is in the report.",
        ),
      );
      return;
    }
    const most = Math.max(...lines.map((line) => line.values.length)) - 1,
      last = nines(percentiles[Math.min(most, percentiles.length - 1)]);
    const x = (percentile) => frame.left + (nines(percentile) / last) * (frame.right - frame.left);
    const all = lines.flatMap((line) => line.values);
    const y = scale.of(state.logY, all, frame.bottom, frame.top, { count: 6 });
    plot.yAxis(svg, y, { ...frame, title: `${model.data.metrics[state.metric]}, ms` });
    x.ticks = TICKS.filter((tick) => nines(tick) <= last + 1e-9);
    plot.xAxis(svg, x, { ...frame, title: "percentile", format: (tick) => (tick === 0 ? "0" : `p${tick}`) });
    lines.forEach((line, order) => {
      const dash = state.show === "machine" ? null : marks.dash(line.machine);
      const colour = colourOf(line, order, lines);
      const at = line.values.map((value, i) => [x(percentiles[Math.min(i, percentiles.length - 1)]), y(value)]);
      svg.append(
        s("path", {
          d: "M" + at.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L"),
          fill: "none",
          stroke: colour,
          "stroke-width": 2,
          "stroke-dasharray": dash,
          "stroke-linejoin": "round",
        }),
      );
      const [px, py] = at.at(-1);
      svg.append(
        s("circle", {
          cx: px,
          cy: py,
          r: 3.4,
          fill: line.machine.simulated ? "var(--card)" : colour,
          stroke: colour,
          "stroke-width": 1.6,
        }),
      );
      line.at = at;
      line.colour = colour;
    });
    if (lines.every((line) => line.machine.simulated)) {
      plot.watermark(svg, frame, 52);
    }
    const cross = svg.appendChild(
      s("line", {
        y1: frame.top,
        y2: frame.bottom,
        stroke: "var(--faint)",
        "stroke-dasharray": "3 3",
        visibility: "hidden",
      }),
    );
    const move = (px) => {
      let place = 0;
      percentiles.forEach((percentile, i) => {
        if (i <= most && Math.abs(x(percentile) - px) < Math.abs(x(percentiles[place]) - px)) place = i;
      });
      const at = x(percentiles[place]);
      cross.setAttribute("x1", at);
      cross.setAttribute("x2", at);
      cross.setAttribute("visibility", "visible");
      plot.tip(element, at, frame.top + 40, [
        h("b", {}, `${model.data.metrics[state.metric]} p${percentiles[place]}`),
        lines.map((line) =>
          h(
            "div",
            {},
            h("span", { class: "swatch", style: `background:${line.colour};margin-right:6px` }),
            `${name(line)}: `,
            h(
              "b",
              {},
              place < line.values.length - 1
                ? milliseconds(line.values[place])
                : `max ${milliseconds(line.values.at(-1))}`,
            ),
          ),
        ),
      ]);
    };
    svg.addEventListener("pointermove", (event) => move(plot.at(svg, event)[0]));
    svg.addEventListener("click", (event) => move(plot.at(svg, event)[0]));
    svg.addEventListener("pointerleave", () => {
      cross.setAttribute("visibility", "hidden");
      plot.hideTip(element);
    });
  }

  /** A machine's own colour, unless several lines would have it. */
  function colourOf(line, order, lines) {
    const alone = lines.filter((each) => each.machine === line.machine).length === 1;
    return alone ? marks.colour(line.machine) : `var(--c${order % 8})`;
  }

  const name = (line) =>
    state.show === "machine" ? line.point.load : `${model.label(line.machine)}, ${line.point.load}`;

  function legend() {
    const lines = series();
    return lines.map((line, order) =>
      h(
        "span",
        {},
        h("span", { class: "swatch", style: `background:${colourOf(line, order, lines)}` }),
        name(line),
        line.point.repeats > 1 ? ` (${model.data.runs[line.run].name})` : "",
        " ",
        marks.tag(line.machine),
      ),
    );
  }

  function section() {
    const { data } = model;
    const metrics = Object.keys(data.metrics).filter((metric) =>
      Object.values(data.distributions).some((each) => each[metric]),
    );
    if (!metrics.length) return null;
    state.metric = metrics[0];
    const chart = plot.place("Latency at percentiles", draw),
      key = h("div", { class: "key" });
    const again = () => {
      chart.redraw();
      key.replaceChildren(...legend());
    };
    model.onChange((changes) => {
      if (model.redraws(changes) || "selected" in changes) again();
    });
    again();
    return h(
      "section",
      { id: "latency" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Latency distributions"),
        h(
          "span",
          { class: "sub" },
          "Whole runs, warm-up and drain included; the dot is the maximum. Choose a point in the frontier to follow it.",
        ),
      ),
      h(
        "div",
        { class: "controls" },
        h(
          "label",
          {},
          "Metric",
          h(
            "select",
            {
              id: "metric",
              onchange: (event) => {
                state.metric = event.target.value;
                again();
              },
            },
            metrics.map((metric) => h("option", { value: metric }, data.metrics[metric])),
          ),
        ),
        h(
          "label",
          {},
          "Lines",
          h(
            "select",
            {
              onchange: (event) => {
                state.show = event.target.value;
                again();
              },
            },
            h("option", { value: "load" }, "the chosen load on every machine"),
            h("option", { value: "machine" }, "every load of the chosen machine"),
          ),
        ),
        h(
          "label",
          { class: "short" },
          h("input", {
            type: "checkbox",
            onchange: (event) => {
              state.logY = event.target.checked;
              again();
            },
          }),
          "log",
        ),
      ),
      chart.element,
      key,
    );
  }

  return { section };
})();
