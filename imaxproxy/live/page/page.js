// The live page: snapshots in, panels out, and what the person chose to see.

import { follow, keyFromAddress, takeKey } from "./feed.js";
import { between, clock } from "./figures.js";
import { panels } from "./panels.js";

const by = (id) => document.getElementById(id);
const SILENT_S = 3;
const METRICS = ["ttft_ms", "itl_ms", "tps_per_user", "e2e_ms"];

const view = { newest: null, held: null, window: null, filter: "", group: "upstream" };
const link = { state: "connecting", detail: "", newsMs: performance.now() };
let givenKey = () => {};

const shown = () => view.held ?? view.newest;

// The run's figures, or the frozen window's.
const spanOf = (snapshot) => {
  if (!view.window) return snapshot.run;
  const [start, end] = [view.window.start, view.window.end ?? snapshot];
  const seconds = end.elapsed_s - start.elapsed_s;
  const more = (field, name) => {
    const [later, earlier] = [end.run[field]?.[name], start.run[field]?.[name]];
    return seconds > 0 && typeof later === "number" ? (later - (earlier ?? 0)) / seconds : null;
  };
  return {
    ...end.run,
    requests_per_s: more("requests", "completed"),
    output_tokens_per_s: more("tokens", "output"),
    ...Object.fromEntries(METRICS.map((name) => [name, between(end.run[name], start.run[name])])),
  };
};

const draw = () => {
  const snapshot = shown();
  const quiet = (performance.now() - link.newsMs) / 1000;
  const stale = link.state !== "live" || quiet > SILENT_S;
  status(snapshot, stale, quiet);
  if (!snapshot) return;
  by("main").removeAttribute("aria-busy");
  by("main").toggleAttribute("data-stale", stale && !view.held);
  document.body.toggleAttribute("data-simulated", snapshot.simulated);
  by("simulated").hidden = !snapshot.simulated;
  by("title").textContent = by("title").title = snapshot.title;
  by("elapsed").textContent = clock(snapshot.elapsed_s);
  document.title = `${snapshot.simulated ? "SIMULATED " : ""}${snapshot.source} – imaxproxy`;
  for (const panel of panels) panel({ snapshot, span: spanOf(snapshot), view });
};

const status = (snapshot, stale, quiet) => {
  const state = view.held ? "paused" : link.state === "live" && stale ? "lost" : link.state;
  const words = { live: "live", paused: "paused", lost: "no answer", connecting: "connecting", key: "needs a key" };
  if (by("status").dataset.state !== state) {
    by("status").dataset.state = state;
    by("status").textContent = words[state];
  }
  const alarm = alarmOf(snapshot, stale, quiet);
  by("alarm").hidden = !alarm;
  by("alarm").textContent = alarm ?? "";
  by("alarm").dataset.kind = view.held && !stale ? "paused" : "alarm";
};

const alarmOf = (snapshot, stale, quiet) => {
  if (link.state === "key") return null;
  if (stale && snapshot) return `${Math.round(quiet)} s old: ${link.detail || "no news comes"}; trying again`;
  if (stale && link.detail) return `${link.detail}; trying again`;
  if (view.held) return `paused at ${clock(view.held.elapsed_s)}; space goes on`;
  const meter = snapshot?.meter;
  return meter?.valid === false ? `these figures are not to be believed: ${(meter.reasons ?? []).join("; ")}` : null;
};

const pause = () => {
  view.held = view.held ? null : view.newest;
  by("pause").setAttribute("aria-pressed", String(Boolean(view.held)));
  draw();
};

const freeze = () => {
  const snapshot = shown();
  if (!snapshot) return;
  if (!view.window) view.window = { start: snapshot, end: null };
  else if (!view.window.end) {
    const [start, end] = [view.window.start, snapshot].sort((a, b) => a.elapsed_s - b.elapsed_s);
    view.window = { start, end };
  } else view.window = null;
  const word = !view.window ? "Freeze a window" : view.window.end ? "Back to the whole run" : "Close the window";
  by("window").firstChild.textContent = `${word} `;
  by("window").setAttribute("aria-pressed", String(Boolean(view.window)));
  draw();
};

const theme = () => {
  const next = { undefined: "dark", dark: "light", light: undefined }[document.documentElement.dataset.theme];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
};

const group = (kind) => {
  view.group = kind;
  draw();
};

const keys = {
  " ": pause,
  p: pause,
  w: freeze,
  t: theme,
  "?": () => by("keys").showModal(),
  "/": () => by("filter").focus(),
  1: () => group("upstream"),
  2: () => group("model"),
  3: () => group("client"),
  4: () => group("tag"),
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (target.id === "filter" && key === "Escape") {
    target.value = view.filter = "";
    target.blur();
    draw();
  }
  const busy = target.matches("input, button, dialog *") && !(target.matches("button") && key !== " " && key !== "Enter");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || by("keys").open || !keys[key]) return;
  event.preventDefault();
  keys[key]();
});
by("pause").addEventListener("click", pause);
by("window").addEventListener("click", freeze);
by("theme").addEventListener("click", theme);
by("help").addEventListener("click", keys["?"]);
by("filter").addEventListener("input", (event) => {
  view.filter = event.target.value.toLowerCase();
  draw();
});
document.addEventListener("imax-redraw", draw);
document.addEventListener("imax-group", (event) => group(event.detail));
by("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey(by("key").value);
  by("key").value = "";
  by("key-form").hidden = true;
  givenKey();
});

const onSnapshot = (snapshot) => {
  if (view.newest && snapshot.elapsed_s < view.newest.elapsed_s) view.window = null; // another run, or a new proxy
  view.newest = snapshot;
  Object.assign(link, { state: "live", detail: "", newsMs: performance.now() });
  by("key-form").hidden = true;
  draw();
};

// Resolves when it is worth another try: at once, or when a key was given.
const onState = (state, detail) => {
  Object.assign(link, { state, detail });
  const asks = state === "key";
  if (asks) {
    by("key-form").hidden = false;
    by("key").setCustomValidity("");
    by("key").placeholder = detail;
    by("key").focus();
  }
  draw();
  return asks ? new Promise((done) => { givenKey = done; }) : Promise.resolve();
};

keyFromAddress();
setInterval(draw, 1000);
follow(onSnapshot, onState);
