// The head of the page: what it is about, and what is not to be believed or not in it.
imax.head = (() => {
  const { h, number } = imax.text;
  const { model } = imax;
  const { data } = model;

  function head() {
    const simulated = data.runs.filter((run) => run.simulated).length,
      requests = data.runs.reduce((sum, run) => sum + run.requests.sent, 0);
    const invalid = data.runs.filter((run) => !run.meter_valid).length,
      stat = (value, word) => h("span", {}, h("b", {}, number(value)), ` ${word}`);
    const themes = ["auto", "light", "dark"],
      theme = h(
        "button",
        {
          "aria-label": "colours: auto, light, dark",
          onclick: () => {
            const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3];
            if (next === "auto") delete document.documentElement.dataset.theme;
            else document.documentElement.dataset.theme = next;
            theme.lastChild.textContent = ` ${next}`;
          },
        },
        "◐",
        h("span", {}, " auto"),
      );
    return h(
      "header",
      { class: "top" },
      h(
        "div",
        { class: "headline" },
        h(
          "div",
          {},
          h("h1", {}, data.title),
          h("p", { class: "sub" }, `imaxproxy ${data.version}, made ${data.made_at}`),
        ),
        theme,
      ),
      h(
        "div",
        { class: "stats" },
        stat(data.points.length, data.points.length === 1 ? "operating point" : "operating points"),
        stat(data.runs.length, data.runs.length === 1 ? "run" : "runs"),
        stat(requests, "requests"),
        stat(model.machines.length, model.machines.length === 1 ? "curve" : "curves"),
        data.runs.length
          ? h("span", {}, "figures of ", h("b", {}, data.window === "steady" ? "steady windows" : "whole runs"))
          : null,
      ),
      simulated
        ? h(
            "div",
            { class: "notice sim" },
            simulated === data.runs.length
              ? "SIMULATED: no GPU was measured, every engine in this report is a model of one."
              : `SIMULATED: ${simulated} of ${data.runs.length} runs are of a modelled engine; hollow marks, dashed lines.`,
            expected(),
          )
        : null,
      invalid
        ? h(
            "div",
            { class: "notice bad" },
            `The meter was not valid in ${invalid} of ${data.runs.length} runs: `,
            h("a", { href: "#runs" }, "see why"),
            ".",
          )
        : null,
      data.notes.length || data.left_out.length ? h("div", { class: "notice warn" }, leftOut()) : null,
    );
  }

  function expected() {
    const errors = [
      ...new Set(
        data.runs.filter((run) => run.simulated && run.engine.expected_error).map((run) => run.engine.expected_error),
      ),
    ];
    return errors.length
      ? ` The model's own expected error: ${errors.map((error) => `${(error * 100).toFixed(0)} %`).join(", ")}.`
      : "";
  }

  function leftOut() {
    const lines = data.left_out.map((each) => h("li", {}, h("b", {}, each.path), `: ${each.why}`));
    return [
      data.notes.map((note) => h("div", {}, note)),
      lines.length > 4
        ? h("details", {}, h("summary", {}, `${lines.length} things were left out`), h("ul", {}, lines))
        : lines.length
          ? ["Left out:", h("ul", {}, lines)]
          : null,
    ];
  }

  return { head };
})();
