/** Notebooks without Jupyter: the file, its execution, its page. */

export { executeNotebook } from "./execute";
export { readNotebook, writeNotebook } from "./format";
export { notebookHtml } from "./html";
export { withParameters } from "./parameters";
