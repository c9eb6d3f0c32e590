/** A picture in HTML. */

import { escapeHtml } from "./table";

/**
 * An SVG as an image: viewers that sanitise HTML, JupyterLab among them, drop an inline SVG and keep this.
 *
 * @param alt What the picture shows, for those who do not see it.
 */
export function htmlPicture(svg: string, alt: string): string {
  const data = Buffer.from(svg, "utf8").toString("base64");
  return `<img alt="${escapeHtml(alt)}" style="max-width:100%" src="data:image/svg+xml;base64,${data}">`;
}

/** A link to the profiler, nothing where `address` is undefined. */
export function profilerLink(address: string | undefined): string {
  if (address === undefined) return "";
  return `<p><a href="${escapeHtml(address)}" target="_blank" rel="noopener noreferrer">Open in the profiler</a></p>`;
}

/**
 * A page in a frame that is folded away and loaded when it is unfolded: a notebook that is opened without the page's server
 * shows nothing broken.
 */
export function htmlFrame(url: string, title: string): string {
  const style = "width:100%;height:560px;border:0";
  return (
    `<details><summary>Look closer: the live timeline</summary>` +
    `<iframe title="${escapeHtml(title)}" src="${escapeHtml(url)}" loading="lazy" sandbox="allow-scripts allow-same-origin" style="${style}"></iframe></details>`
  );
}
