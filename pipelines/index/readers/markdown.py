"""kreuzberg, asked for Markdown: the one place that knows its settings."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.index.readers.reading import Unreadable

#: The smallest PDF with a page. kreuzberg unpacks its PDF library into the temporary folder when it reads its first one.
_SMALLEST_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n"
)


@dataclass(frozen=True)
class Extracted:
    """``markdown`` of the whole file; ``pages`` the plain text of each page, for a PDF."""

    markdown: str
    pages: tuple[str, ...] = ()


def extract(data: bytes, media_type: str, *, pages: bool = False) -> Extracted:
    """Raises Unreadable for what it refuses."""
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,  # pyright: ignore[reportCallIssue]  (its stub is behind its code)
        output_format="markdown",
        pages=kreuzberg.PageConfig(extract_pages=True) if pages else None,
    )
    try:
        found = kreuzberg.extract_bytes_sync(data, media_type, config)
    except kreuzberg.KreuzbergError as error:
        raise Unreadable("damaged", type(error).__name__) from error
    return Extracted(found.content, tuple(str(page["content"]) for page in found.pages or ()))


def unpack() -> None:
    """Let the libraries write what they write once, while a process still may. Raises Unreadable where they can't."""
    extract(_SMALLEST_PDF, "application/pdf")
