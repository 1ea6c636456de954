// The frame of a chart: margins, axes, grid, tooltip; drawn anew when its width changes.
imax.plot = (() => {
  const { h, s, short } = imax.text;
  const observer = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const width = Math.round(entry.contentRect.width);
      if (width && width !== entry.target.imaxWidth) {
        entry.target.imaxWidth = width;
        entry.target.imaxDraw();
      }
    }
  });

  /** A place for a chart. draw(svg, width) is called for every width, and by `redraw`. */
  function place(label, draw) {
    const element = h("div", { class: "plot" });
    element.imaxDraw = () => {
      const width = element.imaxWidth;
      if (!width) return;
      const tip = element.querySelector(".tip");
      if (tip) tip.remove();
      const old = element.querySelector("svg"),
        focused = old && old === document.activeElement;
      const svg = s("svg", { role: "img", "aria-label": label, tabindex: 0 });
      draw(svg, width, element);
      if (old) old.replaceWith(svg);
      else element.prepend(svg);
      if (focused) svg.focus({ preventScroll: true });
    };
    observer.observe(element);
    return { element, redraw: () => element.imaxDraw() };
  }

  function size(svg, width, height) {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
  }

  /** Horizontal axis below a plot; labels that would touch are left out, gridlines stay. */
  function xAxis(svg, scale, { top, bottom, title, format = short, right, left }) {
    let free = -Infinity;
    for (const tick of scale.ticks) {
      const x = scale(tick),
        text = format(tick),
        half = text.length * 3.6;
      svg.append(s("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
      if (x - half < free) continue;
      free = x + half + 8;
      svg.append(s("text", { x, y: bottom + 17, "text-anchor": "middle" }, text));
    }
    svg.append(s("line", { class: "frame", x1: left, x2: right, y1: bottom, y2: bottom }));
    if (title) svg.append(s("text", { class: "axis-title", x: right, y: bottom + 37, "text-anchor": "end" }, title));
  }

  /** Vertical axis left of a plot, its title above it. */
  function yAxis(svg, scale, { left, right, top, title, format = short }) {
    let free = Infinity;
    for (const tick of scale.ticks) {
      const y = scale(tick);
      svg.append(s("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
      if (y > free) continue;
      free = y - 15;
      svg.append(s("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, format(tick)));
    }
    if (title) svg.append(s("text", { class: "axis-title", x: 0, y: top - 12 }, title));
  }

  /** SIMULATED, large and faint, over what is. */
  function watermark(svg, frame, most, text = "SIMULATED") {
    const width = frame.right - frame.left,
      size = Math.min(most, (width / text.length) * 1.3);
    svg.append(
      s(
        "text",
        {
          class: "watermark",
          x: (frame.left + frame.right) / 2,
          y: (frame.top + frame.bottom) / 2 + size / 3,
          "text-anchor": "middle",
          style: `font-size:${size.toFixed(1)}px;fill:var(--mark)`,
        },
        text,
      ),
    );
  }

  /** Show content beside a place of the chart, inside of it. */
  function tip(element, x, y, content) {
    hideTip(element);
    const box = h("div", { class: "tip", role: "status" }, content);
    element.append(box);
    const width = box.offsetWidth,
      height = box.offsetHeight,
      room = element.clientWidth;
    const left = x + 16 + width <= room ? x + 16 : Math.max(0, x - 16 - width);
    box.style.left = `${Math.min(left, Math.max(0, room - width))}px`;
    box.style.top = `${Math.max(0, Math.min(y - height / 3, element.clientHeight - height))}px`;
  }

  function hideTip(element) {
    for (const box of element.querySelectorAll(":scope > .tip")) box.remove();
  }

  /** Pixels of the drawing under a pointer. */
  function at(svg, event) {
    const box = svg.getBoundingClientRect(),
      view = svg.viewBox.baseVal;
    return [
      ((event.clientX - box.left) / box.width) * view.width,
      ((event.clientY - box.top) / box.height) * view.height,
    ];
  }

  /** Texts that would touch another one, a mark, or leave the plot are moved, or left out. */
  function labels(svg, wanted, obstacles, frame) {
    const taken = obstacles.map(([x, y, r]) => [x - r, y - r, x + r, y + r]);
    const touches = (a) => taken.some((b) => a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1]);
    for (const { x, y, text } of wanted) {
      const width = text.length * 6.2 + 2;
      const spots = [
        [x + 6, y - 7, "start"],
        [x + 9, y + 4, "start"],
        [x - 6, y + 15, "end"],
        [x - 9, y + 4, "end"],
        [x, y - 10, "middle"],
        [x, y + 18, "middle"],
      ];
      for (const [atX, atY, anchor] of spots) {
        const from = anchor === "start" ? atX : anchor === "end" ? atX - width : atX - width / 2;
        const box = [from, atY - 10, from + width, atY + 3];
        if (box[0] < frame.left || box[2] > frame.right || box[1] < frame.top || box[3] > frame.bottom || touches(box))
          continue;
        taken.push(box);
        svg.append(s("text", { class: "point-label", x: atX, y: atY, "text-anchor": anchor }, text));
        break;
      }
    }
  }

  return { place, size, xAxis, yAxis, watermark, tip, hideTip, at, labels };
})();
