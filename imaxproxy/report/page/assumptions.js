// The assumptions that costs rest on, as fields: what a GPU-hour costs, its power, how busy it is, what tokens sell for.
imax.assumptions = (() => {
  const { h, number } = imax.text;
  const { model } = imax;
  const OWNER = [
    ["capex_usd_per_gpu", "capital, $/GPU"],
    ["years", "life, years"],
    ["interest", "cost of capital, share a year"],
    ["residual", "left at the end, share"],
    ["fixed_usd_per_gpu_year", "fixed, $/GPU-year"],
    ["colocation_usd_per_kw_month", "room, $/kW-month"],
    ["drawn_share", "power drawn, share"],
    ["availability", "availability, share"],
  ];
  const first = structuredClone({ prices: model.state.prices, usdPerKwh: model.state.usdPerKwh });

  /** A number that the reader may change; what is no number, or out of range, is not taken and is marked. */
  function input(label, value, was, set, { min = 0, above = false, max = Infinity, step = "any" } = {}) {
    const box = h("input", {
      type: "number",
      value: value ?? "",
      step,
      min,
      max: isFinite(max) ? max : null,
      "aria-label": label,
      placeholder: "unknown",
    });
    const mark = () => box.classList.toggle("edited", box.value !== "" && Number(box.value) !== was);
    box.addEventListener("input", () => {
      const number = box.value === "" ? NaN : Number(box.value),
        good = isFinite(number) && (above ? number > min : number >= min) && number <= max;
      box.setCustomValidity(
        good ? "" : `${label}: a number ${above ? "above" : "from"} ${min}${isFinite(max) ? ` to ${max}` : ""}`,
      );
      if (!good) {
        box.reportValidity();
        return;
      }
      mark();
      set(number);
      model.change({ money: true });
    });
    mark();
    return h("label", { class: "field" }, label, box);
  }

  function gpuFields(gpu, rebuild) {
    const price = model.state.prices[gpu.gpu],
      was = first.prices[gpu.gpu];
    const offers = [
      ...gpu.offers.map((offer) => [
        offer.tenure,
        `${offer.tenure.replace("_", " ")}, $${number(offer.usd_per_gpu_hour)}/h`,
      ]),
      ["given", "a price of your own"],
      ...(gpu.owner ? [["own", "owner's cost"]] : []),
    ];
    const chosen = gpu.offers.find((offer) => offer.tenure === price.taken);
    const own = price.taken === "own" && price.owner;
    const choose = (taken) => {
      const offer = gpu.offers.find((each) => each.tenure === taken);
      price.taken = taken;
      if (offer) price.usd = offer.usd_per_gpu_hour;
      model.change({ money: true });
      rebuild();
    };
    const known = offers.some(([tenure]) => tenure === price.taken);
    return h(
      "fieldset",
      {},
      h("legend", {}, gpu.gpu.toUpperCase()),
      h(
        "label",
        { class: "field" },
        "price",
        h(
          "select",
          { "aria-label": `price of ${gpu.gpu}`, value: price.taken, onchange: (event) => choose(event.target.value) },
          [...(known ? [] : [[price.taken, price.taken]]), ...offers].map(([tenure, title]) =>
            h("option", { value: tenure, selected: tenure === price.taken }, title),
          ),
        ),
      ),
      own
        ? OWNER.map(([name, title]) =>
            input(
              title,
              price.owner[name],
              was.owner[name],
              (value) => {
                price.owner[name] = value;
              },
              {
                above: ["capex_usd_per_gpu", "years", "drawn_share", "availability"].includes(name),
                max: ["residual", "availability"].includes(name) ? 1 : Infinity,
              },
            ),
          )
        : input(
            "$/GPU-hour",
            price.usd,
            was.usd,
            (value) => {
              price.usd = value;
              price.taken = "given";
            },
            { above: true },
          ),
      input(
        `kW/GPU${price.boundary ? `, ${price.boundary === "it" ? "IT" : price.boundary}` : ""}`,
        price.kw,
        was.kw,
        (value) => {
          price.kw = value;
          price.boundary ||= "it";
        },
        { above: true },
      ),
      price.boundary === "facility"
        ? null
        : input(
            "PUE",
            price.pue,
            was.pue,
            (value) => {
              price.pue = value;
            },
            { min: 1 },
          ),
      h("div", { class: "source", "data-hour": gpu.gpu }),
      h(
        "div",
        { class: "source" },
        chosen
          ? `${chosen.source}, ${chosen.as_of || "undated"}. `
          : price.usd === null
            ? "No price of this GPU is known: type one in. "
            : "",
        gpu.kw_source ? `Power: ${gpu.kw_source}.` : "",
      ),
    );
  }

  function fields(host) {
    const { data, state } = model,
      rebuild = () => fields(host);
    host.replaceChildren(
      ...data.prices.gpus.map((gpu) => gpuFields(gpu, rebuild)),
      h(
        "fieldset",
        {},
        h("legend", {}, "For all"),
        input("power, $/kWh", state.usdPerKwh, first.usdPerKwh, (value) => {
          state.usdPerKwh = value;
        }),
        input(
          "utilisation, share",
          state.utilisation,
          1,
          (value) => {
            state.utilisation = value;
          },
          { above: true, max: 1 },
        ),
        input("sell input, $/M", state.sellInput, 0, (value) => {
          state.sellInput = value;
        }),
        input("sell output, $/M", state.sellOutput, 0, (value) => {
          state.sellOutput = value;
        }),
        h(
          "div",
          { class: "source" },
          `${data.prices.power.source}, ${data.prices.power.as_of || "as given"}. Utilisation: the share of paid time at this operating point.`,
        ),
        h(
          "button",
          {
            onclick: () => {
              Object.assign(state, structuredClone(first), { utilisation: 1, sellInput: 0, sellOutput: 0 });
              model.change({ money: true });
              rebuild();
            },
          },
          "back to the report's",
        ),
      ),
    );
    ownersHours(host);
  }

  /** What a GPU-hour comes to where it is the owner's. */
  function ownersHours(host) {
    for (const line of host.querySelectorAll("[data-hour]")) {
      const price = model.state.prices[line.dataset.hour],
        usd = model.usdPerGpuHour(line.dataset.hour);
      line.textContent = price.taken === "own" && usd !== null ? `A GPU-hour comes to $${number(usd)}.` : "";
    }
  }

  /** All of them in one form, which follows what is changed in it. */
  function form() {
    const host = h("div", { class: "assumptions", id: "assumptions" });
    fields(host);
    model.onChange((changes) => {
      if (changes.money) ownersHours(host);
    });
    return host;
  }

  return { form };
})();
