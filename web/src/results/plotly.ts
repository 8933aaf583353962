// plotly, loaded once and only where a figure is drawn: the server has it, the page's bundle does not.

export interface Plotly {
  newPlot(
    node: HTMLElement,
    data: unknown[],
    layout: Record<string, unknown>,
    config: Record<string, unknown>,
  ): Promise<unknown>;
  react: Plotly["newPlot"];
  purge(node: HTMLElement): void;
  Plots: { resize(node: HTMLElement): void };
}

declare global {
  interface Window {
    Plotly?: Plotly;
  }
}

const ADDRESS = "/static/plotly.min.js";
let loading: Promise<Plotly> | null = null;

export function loadPlotly(): Promise<Plotly> {
  loading ??= new Promise<Plotly>((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = ADDRESS;
    const fail = () => {
      loading = null; // the next figure tries again
      script.remove();
      reject(new Error("plotly.js cannot be loaded from the server"));
    };
    script.onload = () => (window.Plotly ? resolve(window.Plotly) : fail());
    script.onerror = fail;
    document.head.append(script);
  });
  return loading;
}

type Json = Record<string, unknown>;

/** The layout of a figure for a page: its own height, the width there is, the page's colours. */
export function fitted(layout: Json, colours: { ground: string }): Json {
  const { width: _width, template, ...rest } = layout;
  const font = (rest["font"] ?? {}) as Json;
  return {
    ...rest,
    ...(template === undefined ? {} : { template }),
    autosize: true,
    paper_bgcolor: colours.ground,
    plot_bgcolor: rest["plot_bgcolor"] ?? colours.ground,
    font: { size: 12, ...font },
  };
}
