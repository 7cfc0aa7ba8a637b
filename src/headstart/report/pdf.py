"""A page printed to PDF by an installed Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from headstart.errors import InputError, RunError
from headstart.storage import write_bytes

BROWSER_VARIABLE: Final = "HEADSTART_CHROMIUM"
"""Environment variable that names the browser's program."""
BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "msedge",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
"""Programs that print the same way, in the order they are looked for."""
TIMEOUT_SECONDS: Final = 300.0
_OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
"""No window, and no request to anywhere: no name of a host resolves."""


def find_browser() -> str:
    """Path of the program of an installed Chromium, Chrome or Edge.

    Raises
    ------
    InputError
        When there is none, or ``HEADSTART_CHROMIUM`` names no program.
    """
    named = os.environ.get(BROWSER_VARIABLE)
    for name in (named,) if named else BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    if named:
        raise InputError(f"{BROWSER_VARIABLE} names no program: {named}. Name the program of Chromium, Chrome or Edge.")
    raise InputError(
        "A PDF is printed by Chromium, Chrome or Edge, and none is installed where programs are looked for. Install "
        f"one (Debian, Ubuntu: apt install chromium), name its program in {BROWSER_VARIABLE}, or open report.html in "
        "any browser and print it."
    )


def print_page(page: Path, path: Path) -> None:
    """Print an HTML file that loads nothing to a PDF file.

    Parameters
    ----------
    page, path : Path
        The HTML file; the PDF file, written whole or not at all.

    Raises
    ------
    InputError
        When no browser is installed.
    RunError
        When the browser does not print it.
    StorageError
        When the PDF cannot be written.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="headstart-print-", ignore_cleanup_errors=True) as scratch:
        printed = Path(scratch) / "page.pdf"
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            browser,
            *_OPTIONS,
            *as_root,
            f"--user-data-dir={Path(scratch) / 'profile'}",
            f"--print-to-pdf={printed}",
            page.resolve().as_uri(),
        ]
        try:
            ended = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise _not_printed(browser, page, f"it took more than {TIMEOUT_SECONDS:.0f} seconds") from error
        except OSError as error:
            raise _not_printed(browser, page, str(error)) from error
        content = printed.read_bytes() if printed.is_file() else b""
        if ended.returncode != 0 or not content.startswith(b"%PDF"):
            told = ended.stderr.decode(errors="replace").strip().splitlines()
            raise _not_printed(browser, page, told[-1] if told else f"exit code {ended.returncode}")
    write_bytes(path, content)


def _not_printed(browser: str, page: Path, why: str) -> RunError:
    return RunError(
        f"{browser} did not print {page}: {why}. Name another browser's program in {BROWSER_VARIABLE}, or open the "
        "page and print it."
    )
