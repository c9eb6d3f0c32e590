"""Executes cells given as JSON on stdin with nbclient and prints the notebook's cells as JSON."""

import json
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

cells = []
for cell in json.load(sys.stdin):
    tags = ["raises-exception"] if cell.get("raises") else []
    cells.append(nbformat.v4.new_code_cell(cell["source"], metadata={"tags": tags}))
notebook = nbformat.v4.new_notebook(cells=cells)
failed = None
try:
    NotebookClient(notebook, kernel_name="stateline", timeout=60).execute()
except CellExecutionError as error:
    failed = error.ename
nbformat.validate(notebook)
print(json.dumps({"failed": failed, "cells": notebook.cells}))
