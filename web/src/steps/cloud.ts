// Points on a canvas: with WebGL where there is some, else plainly.

import createScatterplot from "regl-scatterplot";
import { plainCloud } from "./plain";
import { normalised, type Points, type Range } from "./points";

export type Mode = "pan" | "lasso" | "box";

/** What is looked at: the middle across and up, and how far away; null for everything. */
export type Where = [number, number, number] | null;

export interface Heard {
  /** A point under the pointer, or null. */
  over(index: number | null): void;
  selected(indices: number[]): void;
  /** The part of the axes that is seen. */
  seen(xs: Range, ys: Range): void;
  /** Somebody moved or zoomed. */
  moved(where: Where): void;
}

export interface Look {
  /** One an action, as #rrggbb. */
  colours: string[];
  ground: string;
  ink: string;
}

export interface Cloud {
  /** Whether points can be selected by going around them, and the axes be zoomed. */
  readonly rich: boolean;
  show(points: Points, look: Look, where: Where): Promise<void>;
  paint(look: Look): void;
  resize(width: number, height: number): void;
  goTo(where: Where): void;
  mode(mode: Mode): void;
  point(index: number | null): void;
  select(indices: number[]): void;
  /** Where a point stands, in pixels of the canvas. */
  place(index: number): [number, number] | null;
  whole(): void;
  destroy(): void;
}

export function openCloud(canvas: HTMLCanvasElement, heard: Heard): Cloud {
  if (hasWebGl()) {
    try {
      return glCloud(canvas, heard);
    } catch (error) {
      console.warn("WebGL cannot be used:", error);
      const plain = canvas.cloneNode() as HTMLCanvasElement; // a canvas has one context for good
      canvas.replaceWith(plain);
      return plainCloud(plain, heard);
    }
  }
  return plainCloud(canvas, heard);
}

function hasWebGl(): boolean {
  const probe = document.createElement("canvas").getContext("webgl");
  if (!probe) return false;
  const float = probe.getExtension("OES_texture_float") !== null;
  probe.getExtension("WEBGL_lose_context")?.loseContext();
  return float;
}

/** As it stands in the address: so fine that nobody sees the difference. */
export function whereOf(x: number, y: number, away: number): Where {
  const tidy = (value: number) => Number(value.toFixed(5)) + 0;
  const [across, up, distance] = [tidy(x), tidy(y), Number(away.toPrecision(5))];
  return across === 0 && up === 0 && distance === 1 ? null : [across, up, distance];
}

/** What regl-scatterplot uses of a d3 scale. */
interface Scale {
  domain(ends?: Range): Range;
  range(ends?: Range): Range;
}

function scale(ends: Range): Scale {
  let [domain, range]: [Range, Range] = [ends, [0, 1]];
  return {
    domain: (next) => (next ? (domain = next) : domain),
    range: (next) => (next ? (range = next) : range),
  };
}

/** Fewer points are larger and less transparent. */
export function pointLook(count: number): { size: number; opacity: number } {
  if (count <= 1000) return { size: 7, opacity: 0.85 };
  if (count <= 10_000) return { size: 5, opacity: 0.6 };
  return { size: 3, opacity: count <= 50_000 ? 0.45 : 0.3 };
}

function glCloud(canvas: HTMLCanvasElement, heard: Heard): Cloud {
  let [width, height] = [1, 1];
  const scatter = createScatterplot({
    canvas,
    width,
    height,
    lassoMinDelay: 5,
    showReticle: false,
    pointOutlineWidth: 1,
    opacityInactiveScale: 0.35,
    pointSizeSelected: 1,
    deselectOnEscape: true,
    deselectOnDblClick: true,
    spatialIndexUseWorker: false,
    ...({ actionKeyMap: { lasso: "shift", merge: "ctrl" } } as object), // its types lack it
  });
  let gone = false;
  let last: Promise<unknown> = Promise.resolve();
  let scales: [Scale, Scale] = [scale([0, 1]), scale([0, 1])];
  let settled = false;
  const seen = () => heard.seen(scales[0].domain(), scales[1].domain());
  const goTo = (where: Where) => {
    const [x, y, away] = where ?? [0, 0, 1];
    return scatter.set({ cameraTarget: [x, y], cameraDistance: away } as never);
  };
  scatter.subscribe("view", () => {
    seen();
    const [x = 0, y = 0] = scatter.get("cameraTarget") as number[];
    if (settled) heard.moved(whereOf(x, y, scatter.get("cameraDistance") as number));
  });
  scatter.subscribe("pointOver", (index: number) => heard.over(index));
  scatter.subscribe("pointOut", () => heard.over(null));
  scatter.subscribe("deselect", () => heard.selected([]));
  scatter.subscribe("lassoEnd", () => heard.selected([...scatter.get("selectedPoints")]));

  const paint = ({ colours, ground, ink }: Look) =>
    scatter.set({
      backgroundColor: ground,
      pointColor: colours,
      pointColorActive: colours as never, // as many as there are: each keeps its own
      pointColorHover: colours as never,
      lassoColor: ink,
    });
  const show = async (points: Points, look: Look, where: Where): Promise<void> => {
    if (gone) return;
    settled = false;
    scales = [scale(points.xs), scale(points.ys)];
    const { size, opacity } = pointLook(points.count);
    await scatter.set({
      xScale: scales[0] as never,
      yScale: scales[1] as never,
      colorBy: "valueA",
      pointSize: size,
      opacity,
    });
    void paint(look);
    void scatter.reset({ preventEvent: true }); // is only done once points are drawn
    if (where) void goTo(where);
    const [x, y] = [normalised(points.x, points.xs), normalised(points.y, points.ys)];
    const rows = Array.from(x, (value, i) => [value, y[i]!, Math.max(0, points.action[i]!)]);
    await scatter.draw(rows, { zDataType: "categorical" });
    seen();
    settled = true;
  };
  return {
    rich: true,
    show(points, look, where) {
      const shown = last.then(() => show(points, look, where)); // it draws one set of points after another
      last = shown.catch(() => undefined);
      return shown;
    },
    paint: (look) => void paint(look),
    resize(nextWidth, nextHeight) {
      [width, height] = [nextWidth, nextHeight];
      void scatter.set({ width, height, aspectRatio: width / height });
    },
    goTo: (where) => void goTo(where),
    mode(mode) {
      const type = mode === "box" ? "rectangle" : "freeform";
      void scatter.set({
        mouseMode: mode === "pan" ? "panZoom" : "lasso",
        lassoType: type,
      } as never);
    },
    point: (index) => scatter.hover(index ?? -1, { preventEvent: true }),
    select: (indices) => scatter.select(indices, { preventEvent: true }),
    place: (index) => scatter.getScreenPosition(index) ?? null,
    whole: () => void scatter.reset(),
    destroy() {
      gone = true;
      scatter.destroy();
    },
  };
}
