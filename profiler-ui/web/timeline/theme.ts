/** Colours of the canvas, taken from the page's style sheet so that both change together. */

import { KINDS, kindIndex } from "../../trace/kinds";
import { channels, inkOn, KIND_COLOURS, mix } from "../../trace/palette";
import type { LaneView } from "../../trace/lane-view";

export interface CanvasTheme {
  readonly surface: string;
  readonly band: string;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly accent: string;
  readonly prefill: string;
  readonly decode: string;
  readonly font: string;
}

export function readTheme(): CanvasTheme {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    surface: read("--surface"),
    band: read("--band"),
    text: read("--text"),
    muted: read("--muted"),
    line: read("--line"),
    accent: read("--accent"),
    prefill: read("--prefill"),
    decode: read("--decode"),
    font: read("--font"),
  };
}

/** What a span of one kind looks like on one row. */
export interface Paint {
  readonly css: string;
  readonly ink: string;
  /** Red, green and blue as the low 24 bits of a little-endian pixel. */
  readonly pixel: number;
}

/** Paint by code of the lane's kind column. Nested rows are paler, hidden kinds nearly gone. */
export function paintsOf(lane: LaneView, depth: number, theme: CanvasTheme, hidden: ReadonlySet<string>): Paint[] {
  return lane.events.kind.texts.map((text) => {
    const kind = KINDS[kindIndex(text)] ?? "host";
    const paler = depth > 0 ? mix(KIND_COLOURS[kind], theme.surface, 0.4) : KIND_COLOURS[kind];
    if (lane.stream === 2 && kind === "host") return paint(mix(theme.muted, theme.surface, 0.6), theme.text);
    const css = hidden.has(kind) ? mix(paler, theme.band, 0.88) : paler;
    return paint(css, hidden.has(kind) ? theme.muted : inkOn(css));
  });
}

function paint(css: string, ink: string): Paint {
  const [r = 0, g = 0, b = 0] = channels(css);
  return { css, ink, pixel: (b << 16) | (g << 8) | r };
}
