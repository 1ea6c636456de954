// A run's requests as bars over time: late, waiting, reasoning, answering; a sample of them.
imax.waterfallChart = (() => {
  const { h, s, number, short, milliseconds } = imax.text;
  const { model, plot, scale } = imax;
  const { key, runPicker } = imax.timelineChart;
  const state = { bars: "evenly" };
  const SHOWN = {
    evenly: "an even sample over the run",
    slowest: "those that took longest",
    failed: "those that failed or were cut (a sample where they are many)",
  };

  const detail = () => model.data.details[model.state.run];

  const COLUMNS = [
    "id",
    "kept",
    "scheduled",
    "sent",
    "token",
    "answer",
    "ended",
    "outcome",
    "ending",
    "finish",
    "input",
    "cached",
    "output",
    "tps",
    "where",
  ];
  const bars = () =>
    detail()
      .waterfall.rows.map((row) => Object.fromEntries(COLUMNS.map((name, i) => [name, row[i]])))
      .filter((bar) => bar.kept.includes({ evenly: "e", slowest: "s", failed: "f" }[state.bars]));

  function drawBars(svg, width, element) {
    const rows = bars(),
      lane = Math.max(3.2, Math.min(12, 520 / rows.length)),
      left = 4,
      right = width - 10,
      height = rows.length * lane + 6;
    plot.size(svg, width, Math.max(height, 30));
    if (!rows.length) {
      svg.append(
        s(
          "text",
          { x: width / 2, y: 20, "text-anchor": "middle" },
          state.bars === "failed" ? "No request failed or was cut." : "No request is in the sample.",
        ),
      );
      return;
    }
    const [from, to] = span(rows),
      x = (ms) => left + ((ms - from) / (to - from || 1)) * (right - left);
    rows.forEach((bar, i) => {
      const y = i * lane + 3,
        thick = Math.max(lane - 2, lane * 0.72);
      const part = (a, b, fill, more) => {
        if (b > a)
          svg.append(s("rect", { x: x(a), y, width: Math.max(x(b) - x(a), 0.7), height: thick, fill, ...more }));
      };
      const token = bar.token ?? bar.ended,
        answer = bar.answer ?? (bar.token === null ? token : bar.ended);
      if (bar.scheduled !== null && bar.sent - bar.scheduled > (to - from) / 2000)
        part(bar.scheduled, bar.sent, "var(--late)");
      part(bar.sent, token, "var(--wait)");
      part(token, answer, "var(--reason)");
      part(answer, bar.ended, "var(--answer)");
      if (bar.outcome !== "completed")
        svg.append(
          s("rect", {
            x: x(bar.sent),
            y,
            width: Math.max(x(bar.ended) - x(bar.sent), 3),
            height: thick,
            fill: "none",
            stroke: "var(--bad)",
            "stroke-width": 1.6,
          }),
        );
    });
    const move = (event) => {
      const place = Math.floor((plot.at(svg, event)[1] - 3) / lane),
        bar = rows[Math.min(rows.length - 1, Math.max(0, place))];
      plot.tip(element, plot.at(svg, event)[0], plot.at(svg, event)[1], about(bar));
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("click", move);
    svg.addEventListener("pointerleave", () => plot.hideTip(element));
    let place = -1;
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      place = Math.min(rows.length - 1, Math.max(0, place + step));
      plot.tip(element, x(rows[place].sent), place * lane, about(rows[place]));
    });
  }

  const span = (rows) => [
    Math.min(...rows.map((bar) => bar.scheduled ?? bar.sent), ...rows.map((bar) => bar.sent)),
    Math.max(...rows.map((bar) => bar.ended)),
  ];

  function about(bar) {
    const since = (time) => (time === null ? "–" : milliseconds(time - bar.sent)),
      row = (name, text) => [h("dt", {}, name), h("dd", {}, text)];
    return [
      h(
        "div",
        {},
        h("b", {}, bar.id),
        " ",
        bar.outcome === "completed" ? null : h("span", { class: "tag bad" }, bar.ending),
      ),
      h(
        "dl",
        { class: "facts" },
        row("sent", `${number(bar.sent / 1000)} s`),
        bar.scheduled === null ? [] : row("after its schedule", milliseconds(bar.sent - bar.scheduled)),
        row("TTFT", since(bar.token)),
        bar.answer !== null && bar.answer !== bar.token ? row("first answer", since(bar.answer)) : [],
        row("ended after", since(bar.ended)),
        row(
          "tokens in / out",
          `${number(bar.input)}${bar.cached ? ` (${number(bar.cached)} cached)` : ""} / ${number(bar.output)}`,
        ),
        row("tokens/s", number(bar.tps)),
        row("finish", bar.finish ?? "–"),
        bar.where ? row("where", bar.where) : [],
      ),
    ];
  }

  function barAxis(svg, width) {
    plot.size(svg, width, 38);
    const rows = bars();
    if (!rows.length) return;
    const [from, to] = span(rows).map((ms) => ms / 1000),
      left = 4,
      right = width - 10;
    const ticks = scale
      .linear([from, to], left, right, { zero: false, count: width < 560 ? 5 : 10 })
      .ticks.filter((tick) => tick >= from && tick <= to);
    const x = (at) => left + ((at - from) / (to - from || 1)) * (right - left);
    x.ticks = ticks;
    plot.xAxis(svg, x, { top: 2, bottom: 2, left, right, format: (tick) => `${short(tick)} s` });
  }

  function section() {
    if (model.state.run === null) return null;
    const requests = plot.place("Requests over time", drawBars);
    const axis = plot.place("Time of the requests", barAxis);
    const facts = h("span", { class: "sub" });
    const again = () => {
      facts.textContent = `${bars().length} of ${number(detail().waterfall.of)} requests: ${SHOWN[state.bars]}.`;
      requests.redraw();
      axis.redraw();
    };
    const show = (event) => {
      state.bars = event.target.value;
      again();
    };
    model.onChange((changes) => {
      if ("run" in changes) again();
    });
    again();
    const words = { evenly: "an even sample", slowest: "the slowest", failed: "failed and cut" };
    const options = Object.entries(words).map(([value, text]) => h("option", { value }, text));
    return h(
      "section",
      { id: "requests" },
      h("div", { class: "title" }, h("h2", {}, "Requests"), facts),
      h(
        "div",
        { class: "controls" },
        h("label", {}, "Run", runPicker()),
        h("label", {}, "Show", h("select", { id: "bars", onchange: show }, options)),
      ),
      h(
        "div",
        { class: "key" },
        key("var(--late)", "late against its schedule"),
        key("var(--wait)", "waiting for the first token"),
        key("var(--reason)", "reasoning"),
        key("var(--answer)", "answer"),
        h("span", {}, h("span", { class: "swatch", style: "border:1.6px solid var(--bad)" }), "failed or cut"),
      ),
      requests.element,
      axis.element,
    );
  }

  return { section };
})();
