// Series over time and distributions, as SVG. Colours come by class, so that they follow the theme.

import { figure, gridRatio } from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const ZONES = [0.5, 0.9, 0.99, 1];

const svg = (name, attributes, ...children) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

// The last `seconds` of a series as an area from zero; gaps stay gaps. Returns the element and its peak.
export const series = (values, steps, kind, label) => {
  const shown = values.slice(-steps);
  const peak = Math.max(0, ...shown.filter((value) => value !== null));
  const x = (index) => steps - shown.length + index;
  const y = (value) => (peak ? 60 - (value / peak) * 56 : 60);
  const line = [];
  const area = [];
  let open = false;
  shown.forEach((value, index) => {
    if (value === null) {
      if (open) area.push(`V60Z`);
      open = false;
      return;
    }
    const at = `${x(index)} ${y(value).toFixed(2)}`;
    line.push(`${open ? "L" : "M"}${at}`);
    area.push(open ? `L${at}` : `M${x(index)} 60L${at}`);
    open = true;
  });
  if (open) area.push("V60Z");
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${Math.max(steps - 1, 1)} 62`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("line", { x1: 0, x2: steps, y1: 60, y2: 60 }),
    svg("path", { d: area.join(""), class: `area ${kind}` }),
    svg("path", { d: line.join(""), class: `line ${kind}` }),
  );
  return [picture, peak];
};

// Counts over a logarithmic axis, coloured by rank. One decade beyond the median on the good side, all of the bad one.
export const histogram = (block, highIsGood, text) => {
  const buckets = (block?.buckets ?? []).filter(([, count]) => count > 0);
  if (!buckets.length) return document.createTextNode("nothing yet");
  const ratio = gridRatio(block.buckets);
  let [least, most] = [buckets[0][0] / ratio, buckets.at(-1)[0]];
  const first = least;
  const last = most;
  if (highIsGood) most = Math.min(most, (block.p50 ?? most) * 10);
  else least = Math.max(least, (block.p50 ?? least) / 10);
  const width = 400;
  const a_pixel = Math.log(most / least) / width;
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const peak = Math.max(...buckets.map(([, count]) => count));
  let seen = 0;
  const bars = buckets.map(([upper, count]) => {
    const rank = (seen + count / 2) / total;
    seen += count;
    const bad = highIsGood ? 1 - rank : rank;
    const end = Math.min(Math.max(Math.log(upper / least) / a_pixel, 1), width);
    const begin = Math.min(Math.max(Math.log(upper / ratio / least) / a_pixel, 0), end - 1);
    const height = Math.max((count / peak) * 29, 1);
    const place = { x: begin.toFixed(1), width: (end - begin).toFixed(1), y: (30 - height).toFixed(1), height };
    return svg("rect", { ...place, class: `z${ZONES.findIndex((below) => bad <= below + 1e-9)}` });
  });
  const wrap = document.createElement("div");
  const edges = document.createElement("div");
  edges.className = "axis-row";
  for (const [edge, clipped, mark] of [[least, least > first, "≤ "], [most, most < last, "≥ "]]) {
    const span = document.createElement("span");
    span.textContent = (clipped ? mark : "") + text(edge);
    edges.append(span);
  }
  const label = `${total} values from ${figure(first)} to ${figure(last)}`;
  wrap.append(
    svg("svg", { viewBox: `0 0 ${width} 30`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...bars),
    edges,
  );
  return wrap;
};
