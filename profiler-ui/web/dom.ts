/** Making elements without markup in strings: what comes from a run is only ever text. */

type Attribute = string | number | boolean | ((event: Event) => void);

/**
 * An element with attributes, listeners (`onclick`) and children. `true` sets an attribute without value, `false` leaves
 * it out.
 *
 * @example el("a", { href: "/", class: "brand" }, "Stateline");
 */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** The element with this id, which the page's HTML has. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no element #${id}.`);
  return element;
}

/** A square of a kind's colour. */
export function swatch(colour: string): HTMLElement {
  const square = el("span", { class: "swatch", "aria-hidden": "true" });
  square.style.backgroundColor = colour;
  return square;
}

/** A number with its unit set apart, as table cells show it. */
export function figure(text: string): HTMLElement {
  const [value = "", ...unit] = text.split(" ");
  return el(
    "span",
    { class: "figure" },
    value,
    ...(unit.length > 0 ? [el("span", { class: "unit" }, ` ${unit.join(" ")}`)] : []),
  );
}
