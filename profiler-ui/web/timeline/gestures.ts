/** Wheel, drag, pinch and double click on a timeline, by d3-zoom; it stays in step with views set elsewhere. */

import { scaleLinear, select, zoom, zoomIdentity, type D3ZoomEvent } from "d3";
import { GUTTER } from "./layout";
import { NARROWEST_NS, type View } from "./view";

export interface GestureHost {
  readonly canvas: HTMLCanvasElement;
  /** Nanoseconds that the whole timeline spans. */
  length(): number;
  view(): View;
  /** A gesture asks for this window. */
  onView(view: View): void;
  /** A drag asks to scroll the lanes by so many pixels. */
  onScroll(pixels: number): void;
}

export interface Gestures {
  /** Call after the window or the size changed by other means. */
  sync(): void;
}

/** How long a wheel that began on the page goes on scrolling the page, milliseconds. */
const WHEEL_PAUSE = 200;

export function attachGestures(host: GestureHost): Gestures {
  const target = select(host.canvas);
  const width = (): number => Math.max(1, host.canvas.clientWidth - GUTTER);
  const whole = (): ((ns: number) => number) & { invert(x: number): number } =>
    scaleLinear([0, host.length()], [GUTTER, GUTTER + width()]);
  let lastY = 0;
  let syncing = false;
  const pageScrolls = watchPageWheel(host.canvas);

  const behaviour = zoom<HTMLCanvasElement, unknown>()
    .filter((event: Event) => {
      if (event instanceof WheelEvent) return !pageScrolls() && !isPan(event);
      // Shift and a drag select an area.
      return !(event instanceof MouseEvent && (event.button !== 0 || event.shiftKey));
    })
    .on("start", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
      lastY = pointerY(event.sourceEvent) ?? lastY;
    })
    .on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
      if (syncing) return;
      const y = pointerY(event.sourceEvent);
      if (y !== null) {
        host.onScroll(lastY - y);
        lastY = y;
      }
      const { transform } = event;
      const scale = whole();
      const time = (x: number): number => scale.invert((x - transform.x) / transform.k);
      host.onView({ from: time(GUTTER), to: time(GUTTER + width()) });
    });
  target.call(behaviour);

  // Sideways wheels and Shift pan; what is left of the wheel zooms, or scrolls the page where nothing can zoom.
  host.canvas.addEventListener(
    "wheel",
    (event) => {
      if (pageScrolls() || !isPan(event)) return;
      event.preventDefault();
      const distance = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY;
      const { from, to } = host.view();
      const by = Math.min(Math.max((distance / width()) * (to - from), -from), host.length() - to);
      host.onView({ from: from + by, to: to + by });
      sync();
    },
    { passive: false },
  );

  const sync = (): void => {
    const { from, to } = host.view();
    const k = host.length() / Math.max(1e-9, to - from);
    const right = GUTTER + width();
    syncing = true;
    behaviour
      .extent([
        [GUTTER, 0],
        [right, 1],
      ])
      .translateExtent([
        [GUTTER, -Infinity],
        [right, Infinity],
      ])
      .scaleExtent([1, Math.max(1, host.length() / NARROWEST_NS)]);
    target.call((selection) => {
      behaviour.transform(selection, zoomIdentity.translate(GUTTER - k * whole()(from), 0).scale(k));
    });
    syncing = false;
  };
  return { sync };
}

function isPan(event: WheelEvent): boolean {
  return !event.ctrlKey && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY));
}

function pointerY(event: unknown): number | null {
  return event instanceof MouseEvent && !(event instanceof WheelEvent) ? event.clientY : null;
}

/** Whether a wheel over `canvas` belongs to a scroll of the page that began beside it. */
function watchPageWheel(canvas: HTMLCanvasElement): () => boolean {
  let last = -Infinity;
  addEventListener(
    "wheel",
    (event) => {
      if (event.target !== canvas || event.timeStamp - last < WHEEL_PAUSE) last = event.timeStamp;
    },
    { passive: true, capture: true },
  );
  return () => performance.now() - last < WHEEL_PAUSE;
}
