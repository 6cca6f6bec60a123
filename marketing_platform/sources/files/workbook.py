"""A workbook of Excel or another spreadsheet as CSV: what is read of it is read as any export."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from marketing_platform.errors import InputError
from marketing_platform.sources.files.csv_text import header_place

ENDINGS: Final = (".ods", ".xls", ".xlsb", ".xlsm", ".xlsx")


def is_workbook(path: Path) -> bool:
    """Whether a file is called as workbooks are."""
    return path.suffix.lower() in ENDINGS


def write_csv(path: Path, target: Path) -> None:
    """Write the sheet that has records as CSV in UTF-8: numbers with a point, moments as ISO 8601.

    Hidden sheets, empty rows and titles above the header are left out. Raises InputError if the
    file cannot be read, and where more than one sheet has records: nobody could say which are
    meant.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    sheets = _sheets(path)
    filled = [name for name, rows in sheets.items() if rows.height > 1]
    if len(filled) > 1:
        raise InputError(
            f"{len(filled)} sheets have records: {', '.join(filled)}",
            where=str(path),
            mend="Leave one of them in the file, or save the one that is meant as CSV",
        )
    if not filled:
        raise InputError("the file has no records", where=str(path), mend="Export it again")
    sheets[filled[0]].write_csv(target, include_header=False)


def _sheets(path: Path) -> dict[str, pl.DataFrame]:
    """The rows of each sheet that people see, the header among them, all cells as text."""
    # Most shops never send one.
    import fastexcel

    found = {}
    try:
        book = fastexcel.read_excel(path)
        for name in book.sheet_names:
            sheet = book.load_sheet(name, header_row=None, dtypes="string")
            if sheet.visible == "visible":
                found[name] = _from_header(sheet.to_polars())
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0].removeprefix("calamine error: ")
        raise InputError(
            f"not readable as a workbook: {reason}",
            where=str(path),
            mend="Save it again, without a password, or as CSV",
        ) from None
    return found


def _from_header(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with something in them, from the header on."""
    if not rows.width:
        return rows
    filled = rows.select(pl.sum_horizontal(pl.all().is_not_null()).alias("cells"))["cells"]
    rows, filled = rows.filter(filled > 0), filled.filter(filled > 0)
    return rows[header_place(filled.to_list()) :]
