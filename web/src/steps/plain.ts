// Points without WebGL: drawn plainly, to hover and to click.

import { pointLook, type Cloud, type Heard, type Look } from "./cloud";
import { Finder, normalised, type Points } from "./points";

export function plainCloud(canvas: HTMLCanvasElement, heard: Heard): Cloud {
  const context = canvas.getContext("2d");
  let [width, height] = [1, 1];
  let points: Points | null = null;
  let look: Look | null = null;
  let x: Float32Array = new Float32Array();
  let y: Float32Array = new Float32Array();
  let finder: Finder | null = null;
  let lit: number | null = null;
  let chosen: number[] = [];
  const REACH = 8;

  const place = (i: number): [number, number] => [
    ((x[i]! + 1) / 2) * width,
    ((1 - y[i]!) / 2) * height,
  ];
  function draw(): void {
    if (!context || !points || !look) return;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = look.ground;
    context.fillRect(0, 0, width, height);
    const { size, opacity } = pointLook(points.count);
    context.globalAlpha = opacity;
    look.colours.forEach((colour, action) => {
      context.fillStyle = colour;
      for (let i = 0; i < x.length; i += 1) {
        if (Math.max(0, points!.action[i]!) !== action) continue;
        const [px, py] = place(i);
        context.fillRect(px - size / 2, py - size / 2, size, size);
      }
    });
    context.globalAlpha = 1;
    context.strokeStyle = look.ink;
    for (const i of lit === null ? chosen : [...chosen, lit]) {
      const [px, py] = place(i);
      context.strokeRect(px - size / 2 - 1, py - size / 2 - 1, size + 2, size + 2);
    }
  }
  function move(event: PointerEvent): void {
    const box = canvas.getBoundingClientRect();
    const px = ((event.clientX - box.left) / width) * 2 - 1;
    const py = 1 - ((event.clientY - box.top) / height) * 2;
    const found = finder?.nearest(px, py, (REACH / width) * 2, (REACH / height) * 2) ?? -1;
    over(found < 0 ? null : found);
  }
  function over(index: number | null): void {
    if (index === lit) return;
    lit = index;
    heard.over(index);
    draw();
  }
  const out = () => over(null);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerleave", out);
  return {
    rich: false,
    async show(next, nextLook) {
      [points, look, lit, chosen] = [next, nextLook, null, []];
      [x, y] = [normalised(next.x, next.xs), normalised(next.y, next.ys)];
      finder = new Finder(x, y);
      draw();
      heard.seen(next.xs, next.ys);
    },
    paint(next) {
      look = next;
      draw();
    },
    resize(nextWidth, nextHeight) {
      [width, height] = [nextWidth, nextHeight];
      const ratio = window.devicePixelRatio || 1;
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      draw();
    },
    goTo: () => undefined,
    mode: () => undefined,
    point(index) {
      lit = index;
      draw();
    },
    select(indices) {
      chosen = indices;
      draw();
    },
    place: (index) => (index < x.length ? place(index) : null),
    whole: () => undefined,
    destroy() {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerleave", out);
    },
  };
}
