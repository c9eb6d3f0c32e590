/**
 * Colour by kind of op: the same in timeline, charts, notebook and static pictures.
 *
 * Hues follow Okabe and Ito's colour-blind safe set (jfly.uni-koeln.de/color), muted for large areas and then moved
 * apart for protan and deutan eyes; a test measures the distances.
 */

import { KINDS, kindIndex, type Kind } from "./kinds";

export const KIND_COLOURS: Readonly<Record<Kind | "idle", string>> = {
  scan: "#2a78c6",
  conv: "#6cc8f2",
  gemm: "#1f8a6d",
  norm: "#bd85b9",
  attention: "#f0d04c",
  sample: "#6a4085",
  copy: "#c4b187",
  collective: "#e0713c",
  host: "#b6b8ba",
  idle: "#edf1f3",
};

/** Colour of a kind; unknown kinds look like host. */
export function colourOf(kind: string): string {
  return KIND_COLOURS[KINDS[kindIndex(kind)] ?? "host"];
}

/** Black or white, whichever reads better on `colour` (WCAG 2 relative luminance). */
export function inkOn(colour: string): "#ffffff" | "#000000" {
  return luminance(colour) > 0.179 ? "#000000" : "#ffffff";
}

/** `colour` mixed with `other`; share 0 leaves it, 1 replaces it. */
export function mix(colour: string, other: string, share: number): string {
  const a = channels(colour);
  const b = channels(other);
  const mixed = a.map((value, i) => Math.round(value + (b[i] ?? 0) * share - value * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Red, green and blue of #rrggbb, 0..255. */
export function channels(colour: string): number[] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** How a wire type is drawn over a collective's colour, so that types differ without colour. */
export type WirePattern = "none" | "dots" | "lines" | "hatch";

export function wirePattern(wireType: string): WirePattern {
  switch (wireType) {
    case "int8":
      return "hatch";
    case "f16":
      return "dots";
    case "bf16":
      return "lines";
    default:
      return "none";
  }
}
