// Numbers as people read them, and elements made from data: text only ever becomes text, never markup.
imax.text = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, props, children) {
    for (const [name, value] of Object.entries(props || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value") element.value = value;
      else if (name === "checked") element.checked = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return element;
  }

  const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
  const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

  const plain = (digits) => new Intl.NumberFormat("en-US", { maximumSignificantDigits: digits });
  const three = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3, minimumSignificantDigits: 3 }),
    four = plain(4),
    whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

  /** A figure with three to four digits that mean something; counts are whole. */
  function number(value) {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1e6) return `${three.format(value / 1e6)} M`;
    if (size >= 1000 || Number.isInteger(value)) return whole.format(value);
    return size >= 100 ? four.format(value) : size < 1e-4 ? value.toPrecision(3) : three.format(value);
  }

  /** For axes: 12k, 1.5M, 0.02. */
  function short(value) {
    const size = Math.abs(value);
    for (const [scale, letter] of [
      [1e9, "G"],
      [1e6, "M"],
      [1e3, "k"],
    ]) {
      if (size >= scale) return `${plain(4).format(value / scale)}${letter}`;
    }
    return size !== 0 && size < 1e-4 ? value.toExponential(0) : plain(4).format(value);
  }

  const percent = (share, digits = 1) =>
    share === null || share === undefined ? "–" : `${(share * 100).toFixed(digits)} %`;
  const milliseconds = (ms) =>
    ms === null || ms === undefined ? "–" : ms >= 10000 ? `${number(ms / 1000)} s` : `${number(ms)} ms`;
  const interval = (value) =>
    value && value.low !== null && value.low !== value.high ? ` (${number(value.low)} to ${number(value.high)})` : "";

  return { h, s, number, short, percent, milliseconds, interval };
})();
