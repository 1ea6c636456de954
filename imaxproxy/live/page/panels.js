// The panels: each takes the scene {snapshot, span, view} and draws itself.

import { histogram, series } from "./charts.js";
import { UNKNOWN, age, clock, figure, milliseconds, percent, tail, whole } from "./figures.js";
import { Table } from "./tables.js";

const by = (id) => document.getElementById(id);
const SPANS = [60, 120, 300]; // steps of history that a chart may show: the fewest that hold all there is

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

// A figure and its unit: the figure is what the eye should find.
const fact = (value, unit, className) => {
  const span = element("span");
  span.append(element("b", value, className), ` ${unit}`);
  return span;
};

const throughput = ({ snapshot, span, view }) => {
  const over = view.window ? "window" : "run";
  const rows = [
    ["output_tokens_per_s", "tokens", "output tok/s", snapshot.now.output_tokens_per_s, `${over} ${figure(span.output_tokens_per_s)}`],
    ["requests_per_s", "requests", "requests/s", snapshot.now.requests_per_s, `${over} ${figure(span.requests_per_s)}`],
    ["in_flight", "flight", "in flight", snapshot.in_flight.count, `${whole(snapshot.in_flight.waiting)} waiting`],
  ];
  if (snapshot.power) rows.push(["power_w", "power", "W", snapshot.power.watts, ""]);
  const history = snapshot.history ?? {};
  const steps = SPANS.find((span) => (history.in_flight ?? []).length <= span) ?? SPANS.at(-1);
  by("throughput-note").textContent = `last ${clock(steps * (history.step_s ?? 1))}`;
  by("charts").replaceChildren(
    ...rows.map(([name, kind, unit, value, second]) => {
      const written = kind === "flight" ? whole : figure;
      const [picture, peak] = series(history[name] ?? [], steps, kind, `${unit}, now ${written(value)}`);
      const row = element("div", undefined, "chart");
      const head = element("div");
      head.append(element("div", written(value), `figure ${kind}`), element("div", unit, "unit"), element("div", second, "unit"));
      const axis = element("div", undefined, "axis");
      axis.append(element("span", written(peak)), element("span", "0"));
      row.append(head, picture, axis);
      return row;
    }),
  );
  const requests = snapshot.run.requests;
  const bad = (requests.failed ?? 0) + (requests.truncated ?? 0);
  const tokens = snapshot.run.tokens ?? {};
  by("totals").replaceChildren(
    fact(whole(requests.completed), "done"),
    fact(whole(bad), "failed", bad ? "bad" : ""),
    fact(whole(requests.aborted), "aborted"),
    fact(whole(tokens.output), "tokens out"),
    fact(whole(tokens.input), "tokens in"),
  );
};

const economy = ({ snapshot }) => {
  const rows = [["power", power(snapshot.power)], ["cost", cost(snapshot.cost)], ["SLO", slo(snapshot.slo)]];
  if (snapshot.engine_metrics) rows.push(["engine", engine(snapshot.engine_metrics)]);
  rows.push(["meter", meter(snapshot.meter)]);
  by("economy-list").replaceChildren(
    ...rows.flatMap(([name, facts]) => {
      const held = element("dd");
      held.append(...facts);
      return [element("dt", name), held];
    }),
  );
};

const line = (text, className = "soft") => element("span", text, `line ${className}`);

const energy = (joules) => (joules >= 1e6 ? [figure(joules / 1e6), "MJ"] : joules >= 1e3 ? [figure(joules / 1e3), "kJ"] : [figure(joules), "J"]);

const power = (row) =>
  row
    ? [
        fact(figure(row.watts), "W"),
        fact(figure(row.j_per_output_token), "J per output token"),
        fact(figure(row.tokens_per_s_per_mw), "tok/s per MW"),
        fact(...energy(row.energy_j)),
        line([row.boards ? `${row.boards} board${row.boards === 1 ? "" : "s"}` : "", row.boundary, row.source].filter(Boolean).join(", ")),
      ]
    : [line("not measured: --power")];

const cost = (row) =>
  row
    ? [
        fact(`$${figure(row.usd_per_million_output)}`, "per million output"),
        fact(`$${figure(row.usd_per_million_total)}`, "per million in + out"),
        fact(`$${figure(row.usd)}`, "so far"),
        line(row.price ?? ""),
      ]
    : [line("no price: --gpu and --gpus, or --price")];

const gauge = (share, low, high, optimum, label) => {
  const made = element("meter");
  Object.assign(made, { min: 0, max: 1, low, high, optimum, value: share ?? 0 });
  made.setAttribute("aria-label", label);
  return made;
};

const slo = (row) =>
  row
    ? [
        fact(percent(row.attainment), ""),
        gauge(row.attainment, 0.9, 0.99, 1, "SLO attainment"),
        fact(`${whole(row.met)} of ${whole(row.of)}`, "met"),
        fact(figure(row.goodput_requests_per_s), "good requests/s"),
        line(row.text ?? ""),
      ]
    : [line("none set: --slo")];

const engine = (row) => [
  fact(whole(row.running), "running"),
  fact(whole(row.waiting), "waiting"),
  fact(percent(row.kv_usage), "KV"),
  gauge(row.kv_usage, 0.8, 0.95, 0, "KV cache in use"),
  fact(percent(row.prefix_hit_share), "prefix hits"),
  ...(row.accepted_per_step === null || row.accepted_per_step === undefined ? [] : [fact(figure(row.accepted_per_step), "accepted a step")]),
  ...(row.preemptions ? [fact(whole(row.preemptions), "preemptions")] : []),
];

const meter = (row) => [
  row.valid === false ? element("b", "NOT VALID", "bad") : element("b", row.valid ? "valid" : UNKNOWN, "good"),
  fact(percent(row.cpu_share), "cpu"),
  fact(`${milliseconds(row.loop_lag_ms?.p99)} ms`, "lag p99"),
  fact(percent(row.coalesced_event_share), "events came together"),
  ...(row.send_lag_ms?.count ? [fact(`${milliseconds(row.send_lag_ms.p99)} ms`, "send lag p99")] : []),
  ...(row.offered_rate ? [fact(`${figure(row.achieved_rate)} of ${figure(row.offered_rate)}`, "requests/s asked")] : []),
];

const METRICS = [["ttft_ms", "TTFT", "ms"], ["itl_ms", "ITL", "ms"], ["tps_per_user", "TPS/user", "tok/s"], ["e2e_ms", "E2E", "ms"]];

const latency = ({ snapshot, span, view }) => {
  const now = `last ${Math.round(snapshot.window_s)} s`;
  const over = view.window ? `window ${clock((view.window.end ?? snapshot).elapsed_s - view.window.start.elapsed_s)}` : "run";
  by("latency-note").textContent = "green to p50, blue to p90, orange to p99, red beyond";
  const head = element("thead");
  const names = element("tr");
  for (const name of ["", `${now}: p50`, "p90", "p99", `${over}: p50`, "p90", "p99", "count", `${over}, log scale`]) {
    const cell = element("th", name);
    cell.scope = "col";
    if (name === "count") cell.className = "count";
    if (name.endsWith("scale")) cell.className = "text histogram";
    names.append(cell);
  }
  head.append(names);
  const body = element("tbody");
  for (const [name, title, unit] of METRICS) {
    const highIsGood = name === "tps_per_user";
    const text = highIsGood ? figure : milliseconds;
    const row = element("tr");
    const first = element("th", `${title} `);
    first.scope = "row";
    first.append(element("small", unit));
    row.append(first);
    for (const value of tail(snapshot.now[name], highIsGood)) row.append(element("td", text(value), "now"));
    for (const value of tail(span[name], highIsGood)) row.append(element("td", text(value)));
    row.append(element("td", whole(span[name]?.count), "soft count"));
    const drawn = element("td", undefined, "histogram");
    drawn.append(histogram(span[name], highIsGood, text));
    row.append(drawn);
    body.append(row);
  }
  by("latency-table").replaceChildren(head, body);
};

const redraw = () => document.dispatchEvent(new Event("imax-redraw"));
const idleClass = (seconds) => (seconds >= 5 ? "bad" : seconds >= 1 ? "warn" : "soft");
const bare = (url) => String(url ?? "").replace(/^https?:\/\//, "");
const text = (name, key = (row) => row[name]) => [name, "text", key, (row) => ({ text: key(row) ?? "", class: "soft" })];

const streamTable = new Table(
  by("streams-table"),
  [
    ["", "text", null, (row) => ({ text: row.state === "waiting" ? "◌" : "●", class: row.state === "waiting" ? "warn" : "good" })],
    ["stream", "text", null, (row) => row.id],
    ["age", "number", (row) => row.age_s, (row) => age(row.age_s)],
    ["TTFT ms", "number", (row) => row.ttft_ms, (row) => milliseconds(row.ttft_ms)],
    ["tokens", "number", (row) => row.tokens, (row) => whole(row.tokens)],
    ["tok/s", "number", (row) => row.tps, (row) => element("b", figure(row.tps))],
    ["idle", "number", (row) => row.idle_s, (row) => ({ text: age(row.idle_s), class: idleClass(row.idle_s) })],
    text("model"),
    text("upstream", (row) => bare(row.upstream)),
    text("client"),
    text("tag", (row) => (Array.isArray(row.tag) ? row.tag.join(", ") : row.tag)),
  ],
  null,
  redraw,
);

const streams = ({ snapshot, view }) => {
  const flight = snapshot.in_flight;
  const kept = flight.streams.filter((row) =>
    [row.id, row.model, row.upstream, row.client, row.tag].some((name) => String(name ?? "").toLowerCase().includes(view.filter)),
  );
  const listed = flight.left_off ? `, the slowest ${flight.streams.length} listed` : "";
  const filtered = view.filter ? `, ${kept.length} with “${view.filter}”` : "";
  by("streams-note").textContent = `${whole(flight.count)} streams${listed}${filtered}`;
  streamTable.show(kept, flight.count ? "none of them holds these letters" : "none");
};

const slowTable = new Table(
  by("slowest-table"),
  [
    ["request", "text", null, (row) => row.id],
    ["E2E ms", "number", (row) => row.e2e_ms, (row) => element("b", milliseconds(row.e2e_ms))],
    ["TTFT ms", "number", (row) => row.ttft_ms, (row) => milliseconds(row.ttft_ms)],
    ["tok/s", "number", (row) => row.tps, (row) => figure(row.tps)],
    ["ended", "number", (row) => row.at_s, (row) => ({ text: row.at_s === null ? UNKNOWN : clock(row.at_s), class: "soft" })],
    text("model"),
  ],
  1,
  redraw,
);

const slowest = ({ snapshot }) => slowTable.show(snapshot.slowest ?? [], "none yet");

const share = (part, most) => {
  const made = element("span", undefined, "share");
  made.style.width = `${most ? (part / most) * 4 : 0}rem`;
  return made;
};

const GROUPS = ["upstream", "model", "client", "tag"];
let most = 0;
const groupTable = new Table(
  by("groups-table"),
  [
    ["name", "text", (row) => row.name, (row) => (row.up === false ? { text: `DOWN ${bare(row.name)}`, class: "bad" } : bare(row.name))],
    ["now", "number", (row) => row.in_flight, (row) => whole(row.in_flight)],
    ["done", "number", (row) => row.requests, (row) => whole(row.requests)],
    ["bad", "number", (row) => row.errors, (row) => ({ text: whole(row.errors), class: row.errors ? "bad" : "soft" })],
    ["tok/s", "number", (row) => row.output_tokens_per_s, (row) => element("b", figure(row.output_tokens_per_s))],
    ["", "text", null, (row) => share(row.output_tokens_per_s ?? 0, most)],
    ["TTFT p50", "number", (row) => row.ttft_ms?.p50, (row) => milliseconds(row.ttft_ms?.p50)],
    ["p99", "number", (row) => row.ttft_ms?.p99, (row) => milliseconds(row.ttft_ms?.p99)],
    ["TPS/user", "number", (row) => row.tps_per_user?.p50, (row) => figure(row.tps_per_user?.p50)],
  ],
  1,
  redraw,
);
by("groups-tabs").append(
  ...GROUPS.map((kind) => {
    const button = element("button", kind);
    button.type = "button";
    button.dataset.kind = kind;
    button.addEventListener("click", () => document.dispatchEvent(new CustomEvent("imax-group", { detail: kind })));
    return button;
  }),
);

const groups = ({ snapshot, view }) => {
  const rows = Object.entries(snapshot.by?.[view.group] ?? {}).map(([name, row]) => ({ name, ...row }));
  most = Math.max(0, ...rows.map((row) => row.output_tokens_per_s ?? 0));
  by("groups-kind").textContent = view.group;
  for (const button of by("groups-tabs").children) button.setAttribute("aria-pressed", String(button.dataset.kind === view.group));
  groupTable.show(rows, "none named yet");
};

const errorTable = new Table(
  by("errors-table"),
  [
    ["kind", "text", ([kind]) => kind, ([kind]) => kind],
    ["count", "number", ([, count]) => count, ([, count]) => ({ text: whole(count), class: "bad" })],
  ],
  1,
  redraw,
);

const errors = ({ snapshot }) => errorTable.show(Object.entries(snapshot.errors ?? {}), "none");

const MARKS = { done: ["✓", "good"], failed: ["✗", "bad"], skipped: ["–", "soft"], playing: ["▶", ""] };
const pointTable = new Table(by("points-table"), [
  ["", "text", null, (row) => ({ text: (MARKS[row.state] ?? ["·"])[0], class: (MARKS[row.state] ?? ["", "soft"])[1] })],
  ["point", "text", null, (row) => row.name],
  ["tok/s/GPU", "number", null, (row) => figure(row.total_tokens_per_s_per_gpu)],
  ["tok/s/user", "number", null, (row) => figure(row.tps_per_user)],
  ["why", "text", null, (row) => row.reason ?? ""],
]);

const progress = ({ snapshot }) => {
  const row = snapshot.progress;
  by("progress").hidden = !row;
  by("points").hidden = !row?.points?.length;
  if (!row) return;
  const left = snapshot.remaining_s === null ? "" : `, ${clock(snapshot.remaining_s)} left`;
  by("progress-bar").value = row.of ? (row.done ?? 0) / row.of : 0;
  by("progress-text").textContent = `${whole(row.done)} of ${whole(row.of)} ${row.unit ?? ""}${left}`;
  if (row.points?.length) pointTable.show(row.points, "");
};

export const panels = [throughput, economy, latency, streams, slowest, groups, errors, progress];
