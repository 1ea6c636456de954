// Where the joules of an output token went, point by point.
imax.energyChart = (() => {
  const { h, s, number, percent } = imax.text;
  const { model, plot, marks, scale } = imax;
  const PARTS = [
    ["idle", "idle", "var(--idle)"],
    ["prefill", "prefill", "var(--prefill)"],
    ["reasoning", "decode: reasoning", "var(--reason)"],
    ["answer", "decode: answer", "var(--answer)"],
    ["unattributed", "no request under way", "var(--rest)"],
  ];
  const MOST = 40;

  const seen = () =>
    model
      .shownPoints()
      .filter((point) => point.energy)
      .slice(0, MOST);

  function draw(svg, width, element) {
    const rows = seen(),
      lane = 40,
      left = 2,
      right = width - 74,
      height = rows.length * lane + 44;
    plot.size(svg, width, Math.max(height, 60));
    if (!rows.length) {
      svg.append(
        s(
          "text",
          { x: width / 2, y: 30, "text-anchor": "middle" },
          "None of the points that pass the filters has measured energy.",
        ),
      );
      return;
    }
    marks.hatch(svg, "hatch");
    const x = scale.linear([0, ...rows.map((point) => point.energy.total)], left, right, { count: 5 });
    plot.xAxis(svg, x, { top: 4, bottom: height - 40, left, right, title: "J per output token" });
    rows.forEach((point, i) => {
      const machine = model.machines[point.machineIndex],
        y = i * lane + 18;
      svg.append(s("text", { x: left, y: y - 4, style: "fill:var(--ink)" }, `${model.label(machine)}, ${point.load}`));
      let at = 0;
      for (const [name, , colour] of PARTS) {
        const joules = point.energy.parts[name];
        if (!joules) continue;
        svg.append(s("rect", { x: x(at), y, width: Math.max(0, x(at + joules) - x(at)), height: 15, fill: colour }));
        at += joules;
      }
      if (point.simulated) svg.append(s("rect", { x: x(0), y, width: x(at) - x(0), height: 15, fill: "url(#hatch)" }));
      svg.append(
        s(
          "text",
          { x: x(at) + 6, y: y + 12, style: "fill:var(--ink);font-weight:600" },
          number(point.energy.total),
          point.energy.valid ? "" : " !",
        ),
      );
    });
    const move = (event) => {
      const [px, py] = plot.at(svg, event),
        point = rows[Math.min(rows.length - 1, Math.max(0, Math.floor(py / lane)))],
        { energy } = point;
      plot.tip(element, px, py, [
        h("b", {}, model.label(model.machines[point.machineIndex])),
        h("div", { class: "sub" }, point.load),
        h(
          "dl",
          { class: "facts" },
          PARTS.filter(([name]) => energy.parts[name]).map(([name, title]) => [
            h("dt", {}, title),
            h("dd", {}, `${number(energy.parts[name])} J, ${percent(energy.parts[name] / energy.total)}`),
          ]),
          h("dt", {}, "mean power"),
          h("dd", {}, `${number(energy.power_w)} W, ${energy.boundary}`),
          h("dt", {}, "prefill told by"),
          h("dd", {}, energy.prefill_by),
        ),
      ]);
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("click", move);
    svg.addEventListener("pointerleave", () => plot.hideTip(element));
  }

  function section() {
    const all = model.points.filter((point) => point.energy);
    if (!all.length) return null;
    const chart = plot.place("Energy of an output token by its parts", draw);
    model.onChange((changes) => {
      if (model.redraws(changes)) chart.redraw();
    });
    const more = all.length > MOST ? ` The first ${MOST} of ${all.length} points that pass the filters.` : "";
    return h(
      "section",
      { id: "energy" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Energy of a token"),
        h(
          "span",
          { class: "sub" },
          "Boards, whole runs. Idle: what they draw without work; what is above it is split as requests were charged.",
          more,
        ),
      ),
      h(
        "div",
        { class: "key" },
        PARTS.filter(([name]) => all.some((point) => point.energy.parts[name])).map(([, title, colour]) =>
          h("span", {}, h("span", { class: "swatch", style: `background:${colour}` }), title),
        ),
        all.some((point) => point.simulated)
          ? h("span", {}, "hatched: ", h("span", { class: "tag sim" }, "SIMULATED"))
          : null,
      ),
      chart.element,
    );
  }

  return { section };
})();
