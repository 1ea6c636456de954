// Run against run, as `imaxproxy compare` has it: each metric with its change, how sure that is, and a verdict.
imax.compareBlock = (() => {
  const { h, s, number, percent } = imax.text;
  const WORDS = { regression: "bad", improvement: "good", same: "good", undecided: "warn" };

  const signed = (share) =>
    share === null ? "–" : `${share > 0 ? "+" : ""}${(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`;
  const verdict = (word) => (word ? h("span", { class: `tag ${WORDS[word]}` }, word.toUpperCase()) : "–");

  /** The interval of a change on a scale that all rows share; the grey band is the threshold. */
  function picture(row, reach, threshold) {
    const svg = s("svg", { class: "interval", viewBox: "0 0 150 16", "aria-hidden": "true" }),
      x = (share) => 75 + Math.max(-1, Math.min(1, share / reach)) * 72;
    svg.append(
      s("rect", { x: x(-threshold), y: 1, width: x(threshold) - x(-threshold), height: 14, fill: "var(--grid)" }),
      s("line", { x1: 75, x2: 75, y1: 0, y2: 16, stroke: "var(--faint)" }),
    );
    if (row.change === null) return svg;
    const colour =
      row.verdict === "regression" ? "var(--bad)" : row.verdict === "improvement" ? "var(--good)" : "var(--muted)";
    if (row.low !== null && row.high !== null)
      svg.append(
        s("line", {
          x1: x(row.low),
          x2: x(row.high),
          y1: 8,
          y2: 8,
          stroke: colour,
          "stroke-width": 2.5,
          "stroke-linecap": "round",
        }),
      );
    svg.append(s("circle", { cx: x(row.change), cy: 8, r: 4, fill: colour }));
    return svg;
  }

  function block(found) {
    const { rows, paired, threshold } = found,
      reach = Math.max(threshold * 2, ...rows.map((row) => Math.min(Math.abs(row.change ?? 0) * 1.2, 2)));
    const cells = rows.map((row) =>
      h(
        "tr",
        {},
        h("td", { class: "name", title: row.method }, row.metric),
        h("td", {}, verdict(row.verdict)),
        h("td", {}, signed(row.change)),
        h("td", {}, picture(row, reach, threshold)),
        h("td", {}, row.unit === "share" ? percent(row.a) : number(row.a)),
        h("td", {}, row.unit === "share" ? percent(row.b) : number(row.b)),
        h("td", {}, row.unit),
        h("td", {}, row.p_value === null ? "–" : row.p_value < 1e-4 ? "< 0.0001" : row.p_value.toFixed(4)),
      ),
    );
    return h(
      "div",
      { class: "comparison" },
      h(
        "h3",
        {},
        found.b.path,
        " against ",
        found.a.path,
        " ",
        verdict(found.verdict),
        found.a.simulated || found.b.simulated ? [" ", h("span", { class: "tag sim" }, "SIMULATED")] : "",
      ),
      found.warnings.length ? h("div", { class: "notice warn" }, found.warnings.join(". "), ".") : null,
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["metric", "verdict", "change", "95 % interval; grey: threshold", "A", "B", "unit", "p"].map((title) =>
                h("th", {}, title),
              ),
            ),
          ),
          h("tbody", {}, cells),
        ),
      ),
      h(
        "p",
        { class: "sub", style: "margin-top:6px" },
        paired
          ? `${number(paired.matched)} requests held against themselves; another finish reason in ${number(paired.finish_reason_changed)}, other output length in ${number(paired.output_tokens_changed)}, another outcome in ${number(Object.values(paired.outcome_changed).reduce((a, b) => a + b, 0))}; only in A ${number(paired.only_in_a)}, only in B ${number(paired.only_in_b)}.`
          : `Not request by request: ${found.not_paired_because}.`,
        ` A change of ${percent(threshold)} matters (--threshold). Tests: ${[...new Set(rows.map((row) => row.method))].join("; ")}.`,
      ),
    );
  }

  function section() {
    const found = imax.model.data.comparisons;
    if (!found.length) return null;
    return h(
      "section",
      { id: "compare" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Compared"),
        h("span", { class: "sub" }, "Runs of one trace, each against the first."),
      ),
      found.map(block),
    );
  }

  return { section };
})();
