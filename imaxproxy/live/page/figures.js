// Numbers as people read them, and what buckets of a distribution tell. The terminal's screen writes them the same way.

export const UNKNOWN = "–";

const three = (value) => {
  const size = Math.abs(value);
  if (size >= 99.95 || value === 0) return Math.round(value).toLocaleString("en-US");
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.0995) return value.toFixed(2);
  return size >= 0.00095 ? value.toFixed(4) : value.toExponential(1).replace(/-(\d)$/, "-0$1");
};

export const figure = (value) => {
  if (value === null || value === undefined) return UNKNOWN;
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"]]) {
    if (Math.abs(value) >= unit * 0.9995) return three(value / unit) + letter;
  }
  return three(value);
};

export const whole = (value) => {
  if (value === null || value === undefined) return UNKNOWN;
  return Math.abs(value) < 999500 ? Math.round(value).toLocaleString("en-US") : figure(value);
};

export const milliseconds = (value) =>
  value >= 99950 ? `${Math.round(value / 1000).toLocaleString("en-US")} s` : figure(value);

export const percent = (share) => {
  if (share === null || share === undefined) return UNKNOWN;
  if (share <= 0 || share >= 1) return `${(share * 100).toFixed(0)} %`;
  const text = share >= 0.0095 ? (share * 100).toFixed(1) : (share * 100).toFixed(2);
  if (text === "100.0" || text === "0.00") return share > 0.5 ? "> 99.9 %" : "< 0.01 %";
  return `${text} %`;
};

const two = (number) => String(number).padStart(2, "0");

export const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
};

export const age = (seconds) => {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds >= 99.5) return clock(seconds);
  return `${seconds.toFixed(seconds < 0.995 ? 2 : seconds < 9.95 ? 1 : 0)} s`;
};

const ROUNDING = 1 + 1e-9;
const A_DECADE = 20;
const FEW = 9;
const gcd = (a, b) => (b ? gcd(b, a % b) : Math.abs(a));

// Ratio of neighbouring edges. Empty buckets are not listed, so it is read off the edges that are. The meter's finest
// grid has 20 edges a decade; a coarser one is told only where more than 40 would be listed, so few are of the finest.
export const gridRatio = (buckets) => {
  if (buckets.length < FEW) return 10 ** (1 / A_DECADE);
  const steps = buckets.map(([upper]) => Math.round(Math.log10(upper) * A_DECADE));
  return 10 ** (Math.max(steps.map((step) => step - steps[0]).reduce(gcd), 1) / A_DECADE);
};

export const percentile = (buckets, rank) => {
  const wanted = rank * buckets.reduce((sum, [, count]) => sum + count, 0);
  const ratio = gridRatio(buckets);
  let seen = 0;
  for (const [upper, count] of buckets) {
    if (count && seen + count >= wanted) return (upper / ratio) * ratio ** ((wanted - seen) / count);
    seen += count;
  }
  return null;
};

// What was counted between two moments; the later edges are among the earlier ones, since a grid only grows coarser.
export const minus = (later, earlier) => {
  let next = 0;
  return later.map(([upper, count]) => {
    let gone = 0;
    while (next < earlier.length && earlier[next][0] <= upper * ROUNDING) gone += earlier[next++][1];
    return [upper, Math.max(count - gone, 0)];
  });
};

// A block's figures of a frozen window, from what its buckets counted meanwhile.
export const between = (later, earlier) => {
  const buckets = minus(later?.buckets ?? [], earlier?.buckets ?? []);
  const count = buckets.reduce((sum, [, each]) => sum + each, 0);
  if (!count) return { count: 0, buckets: [] };
  const at = (rank) => percentile(buckets, rank);
  const sum = (block) => (block?.mean ?? 0) * (block?.count ?? 0);
  const more = (later.count ?? 0) - (earlier?.count ?? 0);
  const mean = more > 0 ? (sum(later) - sum(earlier)) / more : null;
  return { count, buckets, mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), p10: at(0.1), p1: at(0.01) };
};

// p50, p90 and p99; of a rate the slow tail: so many users in a hundred reach or beat it.
export const tail = (block, highIsGood) => {
  if (!block) return [null, null, null];
  if (!highIsGood) return [block.p50, block.p90, block.p99];
  const known = (value, rank) => value ?? (block.buckets?.length ? percentile(block.buckets, rank) : null);
  return [block.p50, known(block.p10, 0.1), known(block.p1, 0.01)];
};
