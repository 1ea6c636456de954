// From data to pixels: linear and logarithmic scales with round ticks.
imax.scale = (() => {
  function niceStep(span, count) {
    const raw = span / Math.max(count, 1),
      power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 2.5, 5, 10].map((nice) => nice * power).find((step) => step >= raw * 0.999);
  }

  /** values: what has to be seen. The scale is a function of a value, with `ticks` and `invert`. */
  function linear(values, from, to, { zero = true, count = 6 } = {}) {
    let low = Math.min(...values),
      high = Math.max(...values);
    if (!isFinite(low)) [low, high] = [0, 1];
    if (zero && low >= 0) low = 0; // a difference of a percent shall look like one
    if (low === high) [low, high] = low === 0 ? [0, 1] : [zero && low > 0 ? 0 : low * 0.9, high * 1.1];
    const step = niceStep(high - low, count);
    low = Math.floor(low / step + 1e-9) * step;
    high = Math.ceil(high / step - 1e-9) * step;
    const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
    scale.ticks = [];
    for (let i = 0; low + i * step <= high + step / 2; i++) scale.ticks.push(+(low + i * step).toPrecision(12));
    scale.invert = (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
    scale.domain = [low, high];
    return scale;
  }

  function log(values, from, to, { count = 6 } = {}) {
    const above = values.filter((value) => value > 0);
    let low = Math.min(...above),
      high = Math.max(...above);
    if (!isFinite(low)) [low, high] = [1, 10];
    if (low === high) [low, high] = [low / 2, high * 2];
    const decades = Math.log10(high / low);
    const mantissas = decades > count * 0.9 ? [1] : decades > 1.6 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    const all = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power++) {
      for (const mantissa of mantissas) all.push(+(mantissa * 10 ** power).toPrecision(12));
    }
    low = all.filter((tick) => tick <= low * 1.0001).at(-1);
    high = all.find((tick) => tick >= high * 0.9999);
    const span = Math.log(high / low);
    const scale = (value) => from + (Math.log(Math.max(value, low / 1e3) / low) / span) * (to - from);
    scale.ticks = all.filter((tick) => tick >= low * 0.9999 && tick <= high * 1.0001);
    scale.invert = (pixel) => low * Math.exp(((pixel - from) / (to - from)) * span);
    scale.domain = [low, high];
    return scale;
  }

  return { linear, log, of: (isLog, ...rest) => (isLog ? log : linear)(...rest) };
})();
