// Every run: whether its meter may be believed, what to know, and the command that plays it again.
imax.runList = (() => {
  const { h, number, percent, milliseconds } = imax.text;
  const { model } = imax;
  const FIRST = 30;

  function command(text) {
    const button = h(
        "button",
        {
          onclick: async () => {
            try {
              await navigator.clipboard.writeText(text);
              button.textContent = "copied";
            } catch {
              getSelection().selectAllChildren(pre);
              button.textContent = "selected";
            }
          },
        },
        "copy",
      ),
      pre = h("pre", {}, text);
    return h("div", { class: "command" }, pre, button);
  }

  const row = (name, text) =>
    text === null || text === undefined || text === "" ? [] : [h("dt", {}, name), h("dd", {}, text)];

  function meter(run) {
    const { meter } = run,
      parts = [
        `CPU ${percent(meter.cpu_share, 0)} of a core`,
        `loop lag p99 ${milliseconds(meter.loop_lag_p99_ms)}`,
        `${percent(meter.coalesced_event_share)} of events shared a read`,
      ];
    if (meter.send_lag_p99_ms !== null) parts.push(`send lag p99 ${milliseconds(meter.send_lag_p99_ms)}`);
    if (meter.offered_rate !== null && meter.achieved_rate !== null)
      parts.push(`sent ${number(meter.achieved_rate)} of ${number(meter.offered_rate)} requests/s`);
    return parts.join("; ");
  }

  function latencies(run) {
    const names = Object.entries(run.latencies),
      columns = [
        ["p50", "p50"],
        ["p90", "p90"],
        ["p99", "p99"],
        ["p999", "p99.9"],
        ["mean", "mean"],
      ];
    return names.length
      ? h(
          "div",
          { class: "scroll" },
          h(
            "table",
            { style: "max-width:560px" },
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                h("th", {}, "ms"),
                columns.map(([, title]) => h("th", {}, title)),
                h("th", {}, "count"),
              ),
            ),
            h(
              "tbody",
              {},
              names.map(([name, found]) =>
                h(
                  "tr",
                  {},
                  h("td", {}, model.data.titles[name] ?? name),
                  columns.map(([key]) => h("td", {}, number(found[key]))),
                  h("td", {}, number(found.count)),
                ),
              ),
            ),
          ),
        )
      : null;
  }

  function body(run) {
    const errors = Object.entries(run.requests.by_error),
      { energy } = run;
    return h(
      "div",
      { class: "body" },
      run.warnings.length
        ? h("div", { class: "notice bad" }, h("b", {}, "Not to be believed as it stands: "), run.warnings.join("; "))
        : null,
      run.notes.length
        ? h(
            "div",
            { class: "notice warn" },
            h(
              "ul",
              {},
              run.notes.map((note) => h("li", {}, note)),
            ),
          )
        : null,
      run.again
        ? [h("h3", {}, "Play it again"), command(run.again)]
        : h("p", { class: "sub" }, "Its manifest is missing: how it was played is not known."),
      latencies(run),
      h(
        "dl",
        { class: "facts", style: "font-size:13px;margin:8px 0 0" },
        row(
          "engine",
          Object.entries(run.engine)
            .map(([name, value]) => `${name} ${value}`)
            .join(", "),
        ),
        row("trace", run.trace),
        row(
          "requests",
          `${number(run.requests.sent)} sent, ${number(run.requests.completed)} completed, ${number(run.requests.failed)} failed, ${number(run.requests.truncated)} truncated, ${number(run.requests.aborted)} aborted`,
        ),
        row("errors", errors.map(([name, count]) => `${name} × ${number(count)}`).join(", ")),
        row(
          "tokens",
          `${number(run.tokens.input)} in (${number(run.tokens.cached)} cached), ${number(run.tokens.output)} out (${number(run.tokens.reasoning)} reasoning), counted by ${run.tokens.counted_by ?? "nobody"}`,
        ),
        row("meter", meter(run)),
        row("SLO", run.slo),
        row(
          "energy",
          energy
            ? `${energy.valid ? "valid" : `NOT valid: ${[...energy.reasons, energy.detail ?? ""].filter(Boolean).join(", ")}`}${energy.energy_j ? `; ${number(energy.energy_j)} J ± ${percent(energy.relative_error)}, ${number(energy.power_w)} W, ${energy.boundary}, ${energy.source}` : ""}${energy.warnings.length ? `; ${energy.warnings.join(", ")}` : ""}`
            : "not measured",
        ),
        row("began", run.started_at),
        row("ended", run.ended),
        row("host", run.host),
        row("imaxproxy", run.version),
        row("directory", run.path),
      ),
    );
  }

  function entry(run, index) {
    const element = h(
      "details",
      { class: "run", id: `run-${index}` },
      h(
        "summary",
        {},
        h("b", {}, run.name),
        run.meter_valid
          ? h("span", { class: "tag good" }, "METER VALID")
          : h("span", { class: "tag bad" }, "METER NOT VALID"),
        run.simulated ? h("span", { class: "tag sim" }, "SIMULATED") : null,
        run.ended !== "finished" && run.ended !== "duration"
          ? h("span", { class: "tag bad" }, run.ended.toUpperCase())
          : null,
        h(
          "span",
          { class: "sub" },
          `${number(run.requests.completed)} of ${number(run.requests.sent)} requests in ${number(run.duration_s)} s${run.latencies.ttft_ms ? `, TTFT p50 ${milliseconds(run.latencies.ttft_ms.p50)}` : ""}`,
        ),
      ),
    );
    element.addEventListener("toggle", () => {
      if (element.open && !element.querySelector(".body")) element.append(body(run));
    });
    return element;
  }

  /** Open one run's entry, also where the list is not unfolded that far. */
  function open(index) {
    if (!document.getElementById(`run-${index}`)) showAll();
    document.getElementById(`run-${index}`).open = true;
  }

  let showAll = () => {};

  function section() {
    const { runs } = model.data;
    if (!runs.length) return null;
    const order = runs.map((run, index) => [run, index]).sort(([a], [b]) => a.meter_valid - b.meter_valid);
    const host = h("div", {}),
      more = h("button", { style: "margin-top:10px" }, `all ${runs.length} runs`);
    host.append(...order.slice(0, FIRST).map(([run, index]) => entry(run, index)));
    showAll = () => {
      more.remove();
      host.append(
        ...order
          .slice(FIRST)
          .filter(([, index]) => !document.getElementById(`run-${index}`))
          .map(([run, index]) => entry(run, index)),
      );
    };
    more.addEventListener("click", showAll);
    const invalid = runs.filter((run) => !run.meter_valid).length;
    return h(
      "section",
      { id: "runs" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, "Runs"),
        h(
          "span",
          { class: "sub" },
          invalid
            ? `The meter was not valid in ${invalid} of ${runs.length}; they come first.`
            : `The meter was valid in all of ${runs.length}.`,
        ),
      ),
      host,
      runs.length > FIRST ? more : null,
    );
  }

  return { section, open };
})();
