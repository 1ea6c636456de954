// The frontier and the curve through it, as imaxproxy/economics/frontier.py and curve.py have them: tests hold both together.
imax.curve = (() => {
  const sign = (value) => (value > 0) - (value < 0);

  /** Steffen's slope at an inner point, from the secants and widths on both sides. */
  function innerSlope(before, after, wide, nextWide) {
    const parabola = (before * nextWide + after * wide) / (wide + nextWide);
    return (sign(before) + sign(after)) * Math.min(Math.abs(before), Math.abs(after), Math.abs(parabola) / 2);
  }

  function slopes(xs, ys) {
    if (xs.length === 1) return [0];
    const widths = [],
      secants = [];
    for (let i = 1; i < xs.length; i++) {
      widths.push(xs[i] - xs[i - 1]);
      secants.push((ys[i] - ys[i - 1]) / widths[i - 1]);
    }
    if (xs.length === 2) return [secants[0], secants[0]];
    const inner = [];
    for (let i = 1; i < secants.length; i++)
      inner.push(innerSlope(secants[i - 1], secants[i], widths[i - 1], widths[i]));
    return [(3 * secants[0] - inner[0]) / 2, ...inner, (3 * secants.at(-1) - inner.at(-1)) / 2];
  }

  /** Steffen's monotone cubic through points of rising x; null beyond them. */
  function curve(xs, ys) {
    const at = slopes(xs, ys);
    return (x) => {
      if (x < xs[0] || x > xs.at(-1)) return null;
      if (xs.length === 1) return ys[0];
      let left = 0;
      while (left < xs.length - 2 && x >= xs[left + 1]) left++;
      const width = xs[left + 1] - xs[left],
        t = (x - xs[left]) / width;
      const s0 = at[left] * width,
        s1 = at[left + 1] * width,
        rise = ys[left + 1] - ys[left];
      return ys[left] + t * (s0 + t * (3 * rise - 2 * s0 - s1 + t * (s0 + s1 - 2 * rise)));
    };
  }

  const better = (axis, a, b) => (axis.higher ? a > b : a < b);

  /** Split points ({x, y}) into those on the frontier, by rising x, and the dominated ones. Of equals the first is kept. */
  function split(points, xAxis, yAxis) {
    const order = points.map((point, place) => [point, place]);
    order.sort(
      ([a, i], [b, j]) => (xAxis.higher ? b.x - a.x : a.x - b.x) || (yAxis.higher ? b.y - a.y : a.y - b.y) || i - j,
    );
    const kept = [];
    for (const [point] of order) if (!kept.length || better(yAxis, point.y, kept.at(-1).y)) kept.push(point);
    const held = new Set(kept);
    return { kept: kept.sort((a, b) => a.x - b.x), dominated: points.filter((point) => !held.has(point)) };
  }

  /** The frontier of one machine: its points and y at any x between them. Costs and joules go through their inverse. */
  function frontier(points, xAxis, yAxis) {
    const { kept, dominated } = split(points, xAxis, yAxis);
    const inverse = yAxis.inverse && kept.every((point) => point.y > 0);
    const draw = (y) => (inverse ? 1 / y : y),
      read = (value) => (inverse ? 1 / value : Math.max(value, 0));
    const xs = kept.map((point) => point.x);
    const middle = kept.length
      ? curve(
          xs,
          kept.map((point) => draw(point.y)),
        )
      : () => null;
    const at = (x) => {
      const value = middle(x);
      return value === null ? null : read(value);
    };
    return { kept, dominated, at, reach: kept.length ? [xs[0], xs.at(-1)] : null };
  }

  return { curve, split, frontier };
})();
