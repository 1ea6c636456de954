// One run over time, and its requests as bars: both from the journal, for the runs whose journals were read.
imax.timelineChart = (() => {
  const { h, s, number, short, milliseconds } = imax.text;
  const { model, plot, marks, scale } = imax;
  const state = { run: null, bars: "evenly" };

  const detail = () => model.data.details[state.run];
  const isSimulated = () => model.data.runs[state.run].simulated;

  function panels({ timeline }) {
    return [
      { title: "arrivals, requests/s", lines: [["arrivals", timeline.arrivals_per_s, "var(--c0)"], ["failures", timeline.failures_per_s, "var(--bad)"]], steps: true, height: 74 },
      { title: "requests in flight", lines: [["in flight", timeline.in_flight, "var(--c0)"], ["waiting for the first token", timeline.waiting, "var(--late)"]], area: true, height: 92 },
      { title: timeline.tokens_known ? "output tokens/s" : "output tokens/s: nobody counted the tokens", lines: [["output tokens/s", timeline.output_tokens_per_s, "var(--c2)"]], steps: true, height: 92 },
      { title: timeline.power_w ? "board power, W" : timeline.why_no_power, lines: timeline.power_w ? [["W", timeline.power_w, "var(--c1)"]] : [], steps: true, height: timeline.power_w ? 92 : 0 },
    ];
  }

  function draw(svg, width, element) {
    const found = detail().timeline, parts = panels(detail()), left = 52, right = width - 12;
    const height = parts.reduce((sum, part) => sum + part.height + 38, 0) + 34;
    plot.size(svg, width, height);
    const x = scale.linear([0, found.duration_s], left, right, { count: width < 560 ? 5 : 10 });
    x.ticks = x.ticks.filter((tick) => tick <= found.duration_s);
    const scaleX = (at) => left + at / found.duration_s * (right - left);
    scaleX.ticks = x.ticks;
    let top = 26, bottom = 0;
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
    const at = [], step = found.step_s;
    values.forEach((value, i) => {
      const from = x(Math.min(i * step, found.duration_s)), to = x(Math.min((i + 1) * step, found.duration_s));
      at.push(`${from.toFixed(1)} ${y(value).toFixed(1)}`, `${to.toFixed(1)} ${y(value).toFixed(1)}`);
    });
    const base = y(0), line = s("path", { d: "M" + at.join("L"), fill: "none", stroke: colour, "stroke-width": 1.5, "stroke-linejoin": "round" });
    if (!part.area) return [line];
    return [s("path", { d: `M${x(0)} ${base}L${at.join("L")}L${x(found.duration_s)} ${base}Z`, fill: colour, "fill-opacity": .16 }), line];
  }

  /** Warm-up and drain are shaded: what lies between is the steady window. */
  function windows(svg, x, height) {
    const found = model.data.windows[state.run], end = detail().timeline.duration_s;
    for (const name of ["warmup", "drain"]) {
      if (!found[name]) continue;
      const [from, to] = found[name].map((at) => x(Math.min(at, end)));
      svg.append(s("rect", { x: from, y: 14, width: Math.max(0, to - from), height: height - 56, fill: "var(--grid)", "fill-opacity": .7 }));
      if (to - from > 50) svg.append(s("text", { class: "point-label", x: to - 4, y: 36, "text-anchor": "end" }, name === "warmup" ? "warm-up" : name));
    }
  }

  function crosshair(svg, element, x, found, parts, bottom) {
    const line = svg.appendChild(s("line", { y1: 14, y2: bottom, stroke: "var(--faint)", "stroke-dasharray": "3 3", visibility: "hidden" }));
    let place = 0;
    const show = () => {
      const at = x(Math.min((place + .5) * found.step_s, found.duration_s));
      line.setAttribute("x1", at); line.setAttribute("x2", at); line.setAttribute("visibility", "visible");
      plot.tip(element, at, 60, [h("b", {}, `${number(place * found.step_s)} to ${number(Math.min((place + 1) * found.step_s, found.duration_s))} s`),
        h("dl", { class: "facts" }, parts.flatMap((part) => part.lines.map(([name, values]) => [h("dt", {}, name), h("dd", {}, h("b", {}, number(values[place])))])))]);
    };
    const count = found.in_flight.length, clamp = (value) => Math.min(count - 1, Math.max(0, value));
    const move = (event) => {
      const [px] = plot.at(svg, event);
      place = clamp(Math.floor((px - x(0)) / (x(found.duration_s) - x(0)) * found.duration_s / found.step_s));
      show();
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("click", move);
    svg.addEventListener("pointerleave", () => { line.setAttribute("visibility", "hidden"); plot.hideTip(element); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); place = clamp(place + step); show(); }
      if (event.key === "Escape") plot.hideTip(element);
    });
  }

  // Requests ------------------------------------------------------------------------------------------------------

  const COLUMNS = ["id", "kept", "scheduled", "sent", "token", "answer", "ended", "outcome", "ending", "finish", "input", "cached", "output", "tps", "where"];
  const bars = () => detail().waterfall.rows.map((row) => Object.fromEntries(COLUMNS.map((name, i) => [name, row[i]])))
    .filter((bar) => bar.kept.includes({ evenly: "e", slowest: "s", failed: "f" }[state.bars]));

  function drawBars(svg, width, element) {
    const rows = bars(), lane = Math.max(3.2, Math.min(12, 520 / rows.length)), left = 4, right = width - 10, height = rows.length * lane + 6;
    plot.size(svg, width, Math.max(height, 30));
    if (!rows.length) {
      svg.append(s("text", { x: width / 2, y: 20, "text-anchor": "middle" }, state.bars === "failed" ? "No request failed or was cut." : "No request is in the sample."));
      return;
    }
    const [from, to] = span(rows), x = (ms) => left + (ms - from) / (to - from || 1) * (right - left);
    rows.forEach((bar, i) => {
      const y = i * lane + 3, thick = Math.max(lane - 2, lane * .72);
      const part = (a, b, fill, more) => { if (b > a) svg.append(s("rect", { x: x(a), y, width: Math.max(x(b) - x(a), .7), height: thick, fill, ...more })); };
      const token = bar.token ?? bar.ended, answer = bar.answer ?? (bar.token === null ? token : bar.ended);
      if (bar.scheduled !== null && bar.sent - bar.scheduled > (to - from) / 2000) part(bar.scheduled, bar.sent, "var(--late)");
      part(bar.sent, token, "var(--wait)");
      part(token, answer, "var(--reason)");
      part(answer, bar.ended, "var(--answer)");
      if (bar.outcome !== "completed") svg.append(s("rect", { x: x(bar.sent), y, width: Math.max(x(bar.ended) - x(bar.sent), 3), height: thick, fill: "none", stroke: "var(--bad)", "stroke-width": 1.6 }));
    });
    const move = (event) => {
      const place = Math.floor((plot.at(svg, event)[1] - 3) / lane), bar = rows[Math.min(rows.length - 1, Math.max(0, place))];
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

  const span = (rows) => [Math.min(...rows.map((bar) => bar.scheduled ?? bar.sent), ...rows.map((bar) => bar.sent)), Math.max(...rows.map((bar) => bar.ended))];

  function about(bar) {
    const since = (time) => (time === null ? "–" : milliseconds(time - bar.sent)), row = (name, text) => [h("dt", {}, name), h("dd", {}, text)];
    return [h("div", {}, h("b", {}, bar.id), " ", bar.outcome === "completed" ? null : h("span", { class: "tag bad" }, bar.ending)),
      h("dl", { class: "facts" }, row("sent", `${number(bar.sent / 1000)} s`),
        bar.scheduled === null ? [] : row("after its schedule", milliseconds(bar.sent - bar.scheduled)), row("TTFT", since(bar.token)),
        bar.answer !== null && bar.answer !== bar.token ? row("first answer", since(bar.answer)) : [], row("ended after", since(bar.ended)),
        row("tokens in / out", `${number(bar.input)}${bar.cached ? ` (${number(bar.cached)} cached)` : ""} / ${number(bar.output)}`),
        row("tokens/s", number(bar.tps)), row("finish", bar.finish ?? "–"), bar.where ? row("where", bar.where) : [])];
  }

  function barAxis(svg, width) {
    plot.size(svg, width, 38);
    const rows = bars();
    if (!rows.length) return;
    const [from, to] = span(rows).map((ms) => ms / 1000), left = 4, right = width - 10;
    const ticks = scale.linear([from, to], left, right, { zero: false, count: width < 560 ? 5 : 10 }).ticks.filter((tick) => tick >= from && tick <= to);
    const x = (at) => left + (at - from) / (to - from || 1) * (right - left);
    x.ticks = ticks;
    plot.xAxis(svg, x, { top: 2, bottom: 2, left, right, format: (tick) => `${short(tick)} s` });
  }

  function sections() {
    const { data } = model, runs = Object.keys(data.details).map(Number);
    if (!runs.length) return [];
    state.run = runs[0];
    const timeline = plot.place("The run over time", draw), requests = plot.place("Requests over time", drawBars), axis = plot.place("Time of the requests", barAxis);
    const facts = [h("span", { class: "sub" }), h("span", { class: "sub" })];
    const pickers = [picker(), picker()];
    const again = () => {
      const found = detail(), run = data.runs[state.run];
      facts[0].replaceChildren(run.simulated ? h("span", { class: "tag sim" }, "SIMULATED") : "", ` Steps of ${short(found.timeline.step_s)} s; warm-up and drain are shaded.`);
      facts[1].textContent = `${bars().length} of ${number(found.waterfall.of)} requests: ${{ evenly: "an even sample over the run", slowest: "those that took longest", failed: "those that failed or were cut (a sample where they are many)" }[state.bars]}.`;
      pickers.forEach((each) => { each.value = state.run; });
      for (const each of [timeline, requests, axis]) each.redraw();
    };
    function picker() {
      return h("select", { onchange: (event) => { state.run = +event.target.value; again(); } }, runs.map((run) => h("option", { value: run }, data.runs[run].name)));
    }
    model.onChange((changes) => {
      const run = changes.selected?.runs.find((each) => data.details[each]);
      if (run !== undefined && run !== state.run) { state.run = run; again(); }
    });
    again();
    const key = (colour, text) => h("span", {}, h("span", { class: "swatch", style: `background:${colour}` }), text);
    return [
      h("section", { id: "timeline" }, h("div", { class: "title" }, h("h2", {}, "Timeline of a run"), facts[0]), h("div", { class: "controls" }, h("label", {}, "Run", pickers[0])), timeline.element,
        h("div", { class: "key" }, key("var(--c0)", "arrivals, in flight"), key("var(--late)", "waiting for the first token"), key("var(--c2)", "tokens"), key("var(--c1)", "watts"), key("var(--bad)", "failures"))),
      h("section", { id: "requests" }, h("div", { class: "title" }, h("h2", {}, "Requests"), facts[1]),
        h("div", { class: "controls" }, h("label", {}, "Run", pickers[1]),
          h("label", {}, "Show", h("select", { id: "bars", onchange: (event) => { state.bars = event.target.value; again(); } },
            h("option", { value: "evenly" }, "an even sample"), h("option", { value: "slowest" }, "the slowest"), h("option", { value: "failed" }, "failed and cut")))),
        h("div", { class: "key" }, key("var(--late)", "late against its schedule"), key("var(--wait)", "waiting for the first token"), key("var(--reason)", "reasoning"), key("var(--answer)", "answer"),
          h("span", {}, h("span", { class: "swatch", style: "border:1.6px solid var(--bad)" }), "failed or cut")),
        requests.element, axis.element),
    ];
  }

  return { sections };
})();
