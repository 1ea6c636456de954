// One run over time: arrivals, requests in flight, tokens/s, watts; from the journal, for the runs whose journals were read.
imax.timelineChart = (() => {
  const { h, s, number, short } = imax.text;
  const { model, plot, scale } = imax;

  const detail = () => model.data.details[model.state.run];
  const isSimulated = () => model.data.runs[model.state.run].simulated;

  function panels({ timeline }) {
    return [
      {
        title: "arrivals, requests/s",
        lines: [
          ["arrivals", timeline.arrivals_per_s, "var(--c0)"],
          ["failures", timeline.failures_per_s, "var(--bad)"],
        ],
        steps: true,
        height: 74,
      },
      {
        title: "requests in flight",
        lines: [
          ["in flight", timeline.in_flight, "var(--c0)"],
          ["waiting for the first token", timeline.waiting, "var(--late)"],
        ],
        area: true,
        height: 92,
      },
      {
        title: timeline.tokens_known ? "output tokens/s" : "output tokens/s: nobody counted the tokens",
        lines: [["output tokens/s", timeline.output_tokens_per_s, "var(--c2)"]],
        steps: true,
        height: 92,
      },
      {
        title: timeline.power_w ? "board power, W" : timeline.why_no_power,
        lines: timeline.power_w ? [["W", timeline.power_w, "var(--c1)"]] : [],
        steps: true,
        height: timeline.power_w ? 92 : 0,
      },
    ];
  }

  function draw(svg, width, element) {
    const found = detail().timeline,
      parts = panels(detail()),
      left = 52,
      right = width - 12;
    const height = parts.reduce((sum, part) => sum + part.height + 38, 0) + 34;
    plot.size(svg, width, height);
    const x = scale.linear([0, found.duration_s], left, right, { count: width < 560 ? 5 : 10 });
    x.ticks = x.ticks.filter((tick) => tick <= found.duration_s);
    const scaleX = (at) => left + (at / found.duration_s) * (right - left);
    scaleX.ticks = x.ticks;
    let top = 26,
      bottom = 0;
    windows(svg, scaleX, height);
    for (const part of parts) {
      bottom = top + part.height;
      const y = scale.linear([0, ...part.lines.flatMap(([, values]) => values)], bottom, top, { count: 3 });
      if (part.height) plot.yAxis(svg, y, { left, right, top: top + 2, title: part.title });
      else svg.append(s("text", { class: "axis-title", x: 0, y: top - 8 }, part.title));
      for (const [name, values, colour] of part.lines) {
        if (name === "failures" && !values.some(Boolean)) continue;
        svg.append(...strip(values, found, scaleX, y, colour, part));
      }
      top = bottom + 38;
    }
    plot.xAxis(svg, scaleX, { top: bottom, bottom, left, right, title: "seconds from the first send" });
    if (isSimulated()) plot.watermark(svg, { left, right, top: 0, bottom: height }, 56);
    crosshair(svg, element, scaleX, found, parts, bottom);
  }

  function strip(values, found, x, y, colour, part) {
    const at = [],
      step = found.step_s;
    values.forEach((value, i) => {
      const from = x(Math.min(i * step, found.duration_s)),
        to = x(Math.min((i + 1) * step, found.duration_s));
      at.push(`${from.toFixed(1)} ${y(value).toFixed(1)}`, `${to.toFixed(1)} ${y(value).toFixed(1)}`);
    });
    const base = y(0),
      line = s("path", {
        d: "M" + at.join("L"),
        fill: "none",
        stroke: colour,
        "stroke-width": 1.5,
        "stroke-linejoin": "round",
      });
    if (!part.area) return [line];
    return [
      s("path", {
        d: `M${x(0)} ${base}L${at.join("L")}L${x(found.duration_s)} ${base}Z`,
        fill: colour,
        "fill-opacity": 0.16,
      }),
      line,
    ];
  }

  /** Warm-up and drain are shaded: what lies between is the steady window. */
  function windows(svg, x, height) {
    const found = model.data.windows[model.state.run],
      end = detail().timeline.duration_s;
    for (const name of ["warmup", "drain"]) {
      if (!found[name]) continue;
      const [from, to] = found[name].map((at) => x(Math.min(at, end)));
      svg.append(
        s("rect", {
          x: from,
          y: 14,
          width: Math.max(0, to - from),
          height: height - 56,
          fill: "var(--grid)",
          "fill-opacity": 0.7,
        }),
      );
      if (to - from > 50)
        svg.append(
          s(
            "text",
            { class: "point-label", x: to - 4, y: 36, "text-anchor": "end" },
            name === "warmup" ? "warm-up" : name,
          ),
        );
    }
  }

  function crosshair(svg, element, x, found, parts, bottom) {
    const line = svg.appendChild(
      s("line", { y1: 14, y2: bottom, stroke: "var(--faint)", "stroke-dasharray": "3 3", visibility: "hidden" }),
    );
    let place = 0;
    const show = () => {
      const at = x(Math.min((place + 0.5) * found.step_s, found.duration_s));
      line.setAttribute("x1", at);
      line.setAttribute("x2", at);
      line.setAttribute("visibility", "visible");
      plot.tip(element, at, 60, [
        h(
          "b",
          {},
          `${number(place * found.step_s)} to ${number(Math.min((place + 1) * found.step_s, found.duration_s))} s`,
        ),
        h(
          "dl",
          { class: "facts" },
          parts.flatMap((part) =>
            part.lines.map(([name, values]) => [h("dt", {}, name), h("dd", {}, h("b", {}, number(values[place])))]),
          ),
        ),
      ]);
    };
    const count = found.in_flight.length,
      clamp = (value) => Math.min(count - 1, Math.max(0, value));
    const move = (event) => {
      const [px] = plot.at(svg, event);
      place = clamp(Math.floor((((px - x(0)) / (x(found.duration_s) - x(0))) * found.duration_s) / found.step_s));
      show();
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("click", move);
    svg.addEventListener("pointerleave", () => {
      line.setAttribute("visibility", "hidden");
      plot.hideTip(element);
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) {
        event.preventDefault();
        place = clamp(place + step);
        show();
      }
      if (event.key === "Escape") plot.hideTip(element);
    });
  }

  /** A list of the runs whose journals were read; whoever changes it changes it for all. */
  function runPicker() {
    const runs = Object.keys(model.data.details).map(Number);
    const select = h(
      "select",
      { "aria-label": "run", onchange: (event) => model.change({ run: +event.target.value }) },
      runs.map((run) => h("option", { value: run, selected: run === model.state.run }, model.data.runs[run].name)),
    );
    model.onChange((changes) => {
      if ("run" in changes) select.value = changes.run;
    });
    return select;
  }

  const key = (colour, text) => h("span", {}, h("span", { class: "swatch", style: `background:${colour}` }), text);

  function section() {
    if (model.state.run === null) return null;
    const chart = plot.place("The run over time", draw);
    const facts = h("span", { class: "sub" });
    const again = () => {
      facts.replaceChildren(
        isSimulated() ? h("span", { class: "tag sim" }, "SIMULATED") : "",
        ` Steps of ${short(detail().timeline.step_s)} s; warm-up and drain are shaded.`,
      );
      chart.redraw();
    };
    model.onChange((changes) => {
      if ("run" in changes) again();
    });
    again();
    return h(
      "section",
      { id: "timeline" },
      h("div", { class: "title" }, h("h2", {}, "Timeline of a run"), facts),
      h("div", { class: "controls" }, h("label", {}, "Run", runPicker())),
      chart.element,
      h(
        "div",
        { class: "key" },
        key("var(--c0)", "arrivals, in flight"),
        key("var(--late)", "waiting for the first token"),
        key("var(--c2)", "tokens"),
        key("var(--c1)", "watts"),
        key("var(--bad)", "failures"),
      ),
    );
  }

  return { section, runPicker, key };
})();
