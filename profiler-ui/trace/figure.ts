/** A chart in Plotly's terms, as far as ours go: Plotly draws it where there is one, figure-svg.ts everywhere. */

export type Axis = {
  readonly type?: "log";
  readonly title?: { readonly text: string; readonly standoff?: number };
  readonly autorange?: "reversed";
  readonly rangemode?: "tozero";
  /** "D2": a logarithmic axis has marks at 1, 2 and 5 times each power of ten. */
  readonly dtick?: number | "D2";
  readonly tickvals?: readonly number[];
  readonly ticktext?: readonly string[];
  readonly ticksuffix?: string;
  readonly exponentformat?: "SI";
};

export type BarTrace = {
  readonly type: "bar";
  readonly orientation: "h";
  readonly name?: string;
  readonly x: readonly number[];
  readonly y: readonly string[];
  readonly text?: readonly string[];
  readonly textposition?: "inside";
  readonly insidetextanchor?: "middle";
  readonly textangle?: 0;
  readonly marker: { readonly color: string; readonly line?: { readonly color: string; readonly width: number } };
  readonly hovertemplate?: string;
};

export type HistogramTrace = {
  readonly type: "histogram";
  readonly x: readonly number[];
  readonly nbinsx: number;
  readonly marker: { readonly color: string };
};

export type ScatterTrace = {
  readonly type: "scatter";
  readonly mode: "lines" | "markers" | "markers+text";
  readonly name: string;
  readonly showlegend?: boolean;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly error_y?: {
    readonly type: "data";
    readonly symmetric: false;
    readonly array: readonly number[];
    readonly arrayminus: readonly number[];
    readonly color: string;
    readonly thickness: number;
  };
  readonly line?: { readonly color: string; readonly width: number; readonly dash?: "dot" };
  readonly marker?: {
    readonly size: number;
    readonly color: string | readonly string[];
    readonly symbol?: "circle" | "square" | "diamond" | "x";
  };
  readonly text?: readonly string[];
  readonly textposition?: readonly TextPosition[];
  readonly textfont?: { readonly size: number };
  readonly hoverinfo?: "skip";
  readonly hovertemplate?: string;
};

export type TextPosition = "middle right" | "middle left" | "top center" | "bottom center";
export type Trace = BarTrace | HistogramTrace | ScatterTrace;

export type Layout = {
  readonly barmode?: "stack" | "group";
  readonly bargap?: number;
  readonly uniformtext?: { readonly mode: "hide"; readonly minsize: number };
  readonly showlegend?: boolean;
  readonly legend?: {
    readonly orientation: "h";
    readonly y: number;
    readonly x: number;
    readonly traceorder: "normal";
  };
  readonly xaxis: Axis;
  readonly yaxis?: Axis;
};

export interface Figure {
  readonly title: string;
  /** What the picture counts. */
  readonly counts: string;
  /** Pixels. */
  readonly height: number;
  readonly traces: readonly Trace[];
  readonly layout: Layout;
}
