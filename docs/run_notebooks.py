"""Runs the notebooks in `docs/notebooks` and keeps what their cells show: `make notebook`."""

import sys
from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = sorted((Path(__file__).parent / "notebooks").glob("*.ipynb"))


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells, and keep their outputs without times of execution.

    Raises:
        nbclient.exceptions.CellExecutionError: by the first cell that fails.
    """
    nbclient.NotebookClient(notebook, timeout=600, coalesce_streams=True).execute()
    for cell in notebook.cells:
        cell.metadata.clear()


def main() -> None:
    """Run the notebooks that are named, or all."""
    for path in [Path(name) for name in sys.argv[1:]] or NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        execute(notebook)
        nbformat.write(notebook, path)
        print(f"notebook {path}")


if __name__ == "__main__":
    main()
