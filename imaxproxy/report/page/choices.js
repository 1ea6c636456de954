// What the reader chooses: axes, filters, curves.
imax.choices = (() => {
  const { h } = imax.text;
  const { model, marks } = imax;
  const { data, state } = model;
  const TITLES = {
    kind: "Source",
    model: "Model",
    gpu: "GPU",
    engine: "Engine",
    precision: "Precision",
    workload: "Workload",
  };

  function axisPicker(which) {
    const groups = {};
    for (const axis of data.axes) {
      if (model.points.some((point) => model.value(point, axis.name))) (groups[axis.group] ||= []).push(axis);
    }
    return h(
      "select",
      {
        id: `axis-${which}`,
        "aria-label": `${which} axis`,
        onchange: (event) => model.change({ [which]: event.target.value }),
      },
      Object.entries(groups).map(([group, axes]) =>
        h(
          "optgroup",
          { label: group },
          axes.map((axis) => h("option", { value: axis.name, selected: axis.name === state[which] }, axis.label)),
        ),
      ),
    );
  }

  function filters() {
    const host = h("div", {}),
      chosen = h("b", {});
    const say = () => {
      const off = model.DIMENSIONS.filter((dimension) => state.off[dimension].size);
      chosen.textContent = off
        .map(
          (dimension) =>
            model
              .options(dimension)
              .filter((option) => !state.off[dimension].has(option))
              .join(", ") || "nothing",
        )
        .join("; ");
    };
    for (const dimension of model.DIMENSIONS) {
      const options = model.options(dimension);
      if (options.length < 2) continue;
      host.append(
        h(
          "div",
          { class: "filter", "data-dimension": dimension },
          h("span", {}, TITLES[dimension] ?? dimension),
          chips(dimension, options, say),
        ),
      );
    }
    say();
    return host.childElementCount
      ? h("details", { class: "filters", open: innerWidth >= 640 }, h("summary", {}, "Filters ", chosen), host)
      : null;
  }

  /** A click takes an option away or brings it back; a double click leaves it alone. */
  function chips(dimension, options, say) {
    const off = state.off[dimension],
      host = h("div", {});
    const again = () => {
      [...host.children].forEach((chip, i) => chip.setAttribute("aria-pressed", String(!off.has(options[i]))));
      say();
      model.change({ filters: true });
    };
    const toggle = (option) => {
      if (!off.delete(option)) off.add(option);
      again();
    };
    const only = (option) => {
      options.forEach((each) => (each === option ? off.delete(each) : off.add(each)));
      again();
    };
    host.append(
      ...options.map((option) =>
        h(
          "button",
          {
            class: "chip",
            "aria-pressed": String(!off.has(option)),
            title: "click: on or off; double click: only this",
            onclick: () => toggle(option),
            ondblclick: () => only(option),
          },
          option,
        ),
      ),
    );
    return host;
  }

  function legend(host) {
    host.replaceChildren(
      ...model.shownMachines().map((machine) =>
        h(
          "button",
          {
            class: "item",
            "aria-pressed": String(!state.hidden.has(machine.index)),
            onclick: () => {
              if (!state.hidden.delete(machine.index)) state.hidden.add(machine.index);
              model.change({ filters: true });
            },
            onpointerenter: () => model.change({ hovered: machine.points.find(model.shown) ?? null }),
            onpointerleave: () => model.change({ hovered: null }),
          },
          marks.sample(machine),
          h("span", {}, model.label(machine), " ", marks.tag(machine)),
        ),
      ),
    );
  }

  return { axisPicker, filters, legend };
})();
