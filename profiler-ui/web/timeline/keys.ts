/** The keyboard: WASD glide while held, the rest acts once. */

export interface KeyHost {
  /** Zoom by a factor around the pointer or the middle. */
  zoom(factor: number): void;
  /** Pan by a share of the window. */
  pan(by: number): void;
  /** Fit the selection, and the whole run when that is fitted already. */
  fit(): void;
  clear(): void;
  /** Select the previous or next span of the row. */
  neighbour(direction: -1 | 1): void;
  /** Select the previous or next span of the same op on the lane. */
  occurrence(direction: -1 | 1): void;
  /** Select the span above or below at the same time. */
  row(direction: -1 | 1): void;
  help(): void;
  /** Go to the field that finds spans. */
  find(): void;
  /** Select the previous or next hit of the search. */
  hit(direction: -1 | 1): void;
  /** Select all that is on the screen as an area. */
  area(): void;
}

/** Everything the keyboard and the pointer do, for the help sheet. */
export const HELP: readonly (readonly [keys: readonly string[], meaning: string])[] = [
  [["W", "S", "wheel", "pinch"], "zoom in and out at the pointer"],
  [["A", "D", "drag", "Shift + wheel"], "pan; a drag also scrolls the ranks"],
  [["F"], "fit the selection; again: the whole run"],
  [["click"], "select a span; an AllReduce lights up on every rank"],
  [["←", "→"], "previous and next span of the row (timeline focused)"],
  [["↑", "↓"], "span in the row above or below (timeline focused)"],
  [[",", "."], "previous and next span of the same op"],
  [["/"], "find spans by name, layer, step, duration …"],
  [["N", "P"], "next and previous hit"],
  [["Shift + drag", "M"], "select an area; what is on the screen"],
  [["Esc"], "clear the selection"],
  [["?"], "this sheet"],
];

const GLIDE: Readonly<Record<string, (host: KeyHost, amount: number) => void>> = {
  w: (host, amount) => host.zoom(1 - amount),
  s: (host, amount) => host.zoom(1 / (1 - amount)),
  a: (host, amount) => host.pan(-amount),
  d: (host, amount) => host.pan(amount),
};

/** A tap moves by this share of the window. */
const TAP = 0.15;

/** Held, keys move by this share of the window a second. */
const PER_SECOND = 1.8;

/** `focused` says whether arrows are meant for a timeline: elsewhere they scroll the page. */
export function attachKeys(focused: () => boolean, host: KeyHost): void {
  const held = new Set<string>();
  let last = 0;
  const glide = (now: number): void => {
    const amount = (PER_SECOND * Math.min(50, now - last)) / 1000;
    last = now;
    for (const key of held) GLIDE[key]?.(host, amount);
    if (held.size > 0) requestAnimationFrame(glide);
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isElsewhere(event.target)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const move = GLIDE[key];
    if (move) {
      if (event.repeat && !still.matches) {
        if (held.has(key)) return;
        held.add(key);
        if (held.size === 1) {
          last = performance.now();
          requestAnimationFrame(glide);
        }
      } else {
        move(host, TAP);
      }
    } else if (!act(host, key, focused())) {
      return;
    }
    event.preventDefault();
  });
  addEventListener("keyup", (event) => held.delete(event.key.toLowerCase()));
  addEventListener("blur", () => held.clear());
}

function act(host: KeyHost, key: string, focused: boolean): boolean {
  if (focused && key === "ArrowLeft") host.neighbour(-1);
  else if (focused && key === "ArrowRight") host.neighbour(1);
  else if (focused && key === "ArrowUp") host.row(-1);
  else if (focused && key === "ArrowDown") host.row(1);
  else if (key === "f") host.fit();
  else if (key === "Escape") host.clear();
  else if (key === ",") host.occurrence(-1);
  else if (key === ".") host.occurrence(1);
  else if (key === "?") host.help();
  else if (key === "/") host.find();
  else if (key === "n") host.hit(1);
  else if (key === "p") host.hit(-1);
  else if (key === "m") host.area();
  else return false;
  return true;
}

/** A field that is typed into, or an open sheet, which has keys of its own. */
function isElsewhere(target: EventTarget | null): boolean {
  return (
    document.querySelector("dialog[open]") !== null ||
    target instanceof HTMLInputElement ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  );
}
