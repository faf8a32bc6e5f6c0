"use strict";
// Timelines: lanes of blocks over device time, with zoom. Everything they show is in the page.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const LANE = 26, GAP = 6, LEFT = 66, AXIS = 22, MIN_SPAN_US = 0.5;
  const el = (name, attributes, parent) => {
    const made = document.createElementNS(NS, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(made);
    return made;
  };
  const timeText = (us) => {
    const size = Math.abs(us);
    if (size >= 1e6) return (us / 1e6).toPrecision(4) + " s";
    if (size >= 1e3) return (us / 1e3).toPrecision(4) + " ms";
    return (size >= 1 || size === 0 ? Number(us.toPrecision(4)) : us.toPrecision(3)) + " us";
  };
  const step = (span, most) => {
    const power = Math.pow(10, Math.floor(Math.log10(span / most)));
    return [1, 2, 5, 10].map((n) => n * power).find((s) => span / s <= most);
  };
  const tickText = (at, by) => {
    const [scale, unit] = by >= 1e6 ? [1e6, "s"] : by >= 100 ? [1e3, "ms"] : [1, "us"];
    const digits = Math.max(0, -Math.floor(Math.log10(by / scale) + 1e-9));
    return (at / scale).toFixed(Math.min(digits, 6)) + " " + unit;
  };

  class Timeline {
    constructor(root) {
      const data = JSON.parse(root.querySelector("script").textContent);
      this.lanes = data.lanes;
      this.blocks = data.blocks; // [lane, start us, end us, colour, text, class]
      this.end = Math.max(1, ...this.blocks.map((block) => block[2]));
      this.view = [0, this.end];
      this.svg = root.querySelector("svg");
      this.output = root.querySelector("output");
      this.height = AXIS + this.lanes.length * (LANE + GAP);
      root.querySelectorAll("button").forEach((button) =>
        button.addEventListener("click", () => this.act(button.dataset.act)));
      this.listen();
      new ResizeObserver(() => this.draw()).observe(this.svg);
      this.draw();
    }

    listen() {
      const svg = this.svg, pointers = new Map();
      svg.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.shiftKey && document.activeElement !== svg) return;
        event.preventDefault();
        const by = event.deltaY || event.deltaX;
        this.zoom(Math.exp(by / 300), this.at(event));
      }, { passive: false });
      svg.addEventListener("keydown", (event) => {
        const acts = { "+": "in", "=": "in", "-": "out", "0": "all", ArrowLeft: "left", ArrowRight: "right" };
        if (!(event.key in acts)) return;
        event.preventDefault();
        this.act(acts[event.key]);
      });
      svg.addEventListener("pointerdown", (event) => {
        pointers.set(event.pointerId, this.offset(event));
        svg.setPointerCapture(event.pointerId);
      });
      svg.addEventListener("pointermove", (event) => {
        this.tell(event);
        if (!pointers.has(event.pointerId)) return;
        const before = [...pointers.values()];
        pointers.set(event.pointerId, this.offset(event));
        const after = [...pointers.values()];
        const perPixel = (this.view[1] - this.view[0]) / this.width();
        if (after.length === 1) this.pan((before[0] - after[0]) * perPixel);
        if (after.length === 2) {
          const [a, b] = [before, after].map((xs) => Math.max(8, Math.abs(xs[0] - xs[1])));
          const middle = (after[0] + after[1]) / 2;
          this.zoom(a / b, this.view[0] + (middle - LEFT) * perPixel);
        }
      });
      for (const name of ["pointerup", "pointercancel"])
        svg.addEventListener(name, (event) => pointers.delete(event.pointerId));
      svg.addEventListener("dblclick", (event) => this.zoom(0.4, this.at(event)));
    }

    offset(event) { return event.clientX - this.svg.getBoundingClientRect().left; }
    width() { return Math.max(40, this.svg.clientWidth - LEFT); }
    at(event) {
      return this.view[0] + (this.offset(event) - LEFT) / this.width() * (this.view[1] - this.view[0]);
    }

    act(name) {
      const span = this.view[1] - this.view[0], middle = (this.view[0] + this.view[1]) / 2;
      if (name === "in") this.zoom(0.5, middle);
      if (name === "out") this.zoom(2, middle);
      if (name === "left") this.pan(-span / 4);
      if (name === "right") this.pan(span / 4);
      if (name === "all") this.show(0, this.end);
    }

    zoom(factor, around) {
      const [start, end] = this.view;
      this.show(around - (around - start) * factor, around + (end - around) * factor);
    }

    pan(by) {
      const span = this.view[1] - this.view[0];
      const start = Math.min(Math.max(0, this.view[0] + by), this.end - span);
      this.show(start, start + span);
    }

    show(start, end) {
      const least = Math.min(MIN_SPAN_US, this.end);
      if (end - start < least) { const middle = (start + end) / 2; start = middle - least / 2; end = middle + least / 2; }
      this.view = [Math.max(0, start), Math.min(this.end, end)];
      this.draw();
    }

    tell(event) {
      const down = event.clientY - this.svg.getBoundingClientRect().top, at = this.at(event);
      const lane = Math.floor((down - AXIS) / (LANE + GAP));
      const found = this.blocks.filter((b) => b[0] === lane && b[1] <= at && at <= b[2]).pop();
      this.output.textContent = found
        ? `${this.lanes[lane]}: ${found[4]}, ${timeText(found[2] - found[1])} from ${timeText(found[1])}` : "";
    }

    draw() {
      const svg = this.svg, width = this.width(), [start, end] = this.view, span = end - start;
      const x = (us) => LEFT + (us - start) / span * width;
      svg.setAttribute("height", this.height);
      svg.replaceChildren();
      const by = step(span, Math.max(2, Math.floor(width / 90)));
      for (let at = Math.ceil(start / by) * by; at <= end; at += by) {
        el("path", { class: "grid", d: `M${x(at)} ${AXIS - 4}V${this.height}` }, svg);
        const text = el("text", { x: x(at), y: 13, "text-anchor": x(at) > LEFT + width - 30 ? "end" : "middle" }, svg);
        text.textContent = tickText(at, by);
      }
      const drawn = el("svg", { x: LEFT, y: 0, width, height: this.height, overflow: "hidden" }, svg);
      this.blocks.forEach((block) => {
        const [lane, first, last, colour, label, kind] = block;
        if (last < start || first > end) return;
        const from = Math.max(x(first), LEFT - 4) - LEFT, to = Math.min(x(last), LEFT + width + 4) - LEFT;
        const top = AXIS + lane * (LANE + GAP), size = Math.max(0.8, to - from);
        const group = el("g", { class: "block " + kind }, drawn);
        el("rect", { x: from, y: top, width: size, height: LANE, rx: 2, style: `fill:var(${colour})` }, group);
        if (size < 26) return;
        const room = Math.floor((size - 6) / 6.2);
        const text = el("text", { x: from + 4, y: top + 17 }, group);
        text.textContent = label.length <= room ? label : label.slice(0, Math.max(1, room - 1)) + "…";
      });
      this.lanes.forEach((name, lane) => {
        const text = el("text", { x: 4, y: AXIS + lane * (LANE + GAP) + 17 }, svg);
        text.textContent = name;
      });
      svg.dataset.view = this.view.map((us) => us.toFixed(3)).join(" ");
    }
  }

  document.querySelectorAll(".timeline").forEach((root) => new Timeline(root));
})();
