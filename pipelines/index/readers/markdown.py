"""kreuzberg, asked for Markdown: the one place that knows its settings."""

from __future__ import annotations

from pipelines.index.readers.reading import Unreadable


def extract(data: bytes, media_type: str) -> str:
    """The file's text as Markdown. Raises Unreadable for what it refuses."""
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,  # pyright: ignore[reportCallIssue]  (its stub is behind its code)
        output_format="markdown",
    )
    try:
        return kreuzberg.extract_bytes_sync(data, media_type, config).content
    except kreuzberg.KreuzbergError as error:
        raise Unreadable("damaged", type(error).__name__) from error
