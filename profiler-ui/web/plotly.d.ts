/** The part of plotly.js that the charts use; its strict build makes no functions from strings, as the CSP demands. */
declare module "plotly.js-strict-dist-min" {
  interface Plotly {
    newPlot(
      host: HTMLElement,
      data: readonly Readonly<Record<string, unknown>>[],
      layout: Readonly<Record<string, unknown>>,
      config: Readonly<Record<string, unknown>>,
    ): Promise<unknown>;
  }
  const plotly: Plotly;
  export = plotly;
}
