"""The SOAP decoder under a coverage-guided fuzzer (atheris), in a process of its own with 200 MB to spend beyond its imports."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from soaking import rounds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "connectors" / "soap"))

from soap_fake import envelope, part, reply

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT.parent / "shared" / "data" / "soap-captures"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has wheels for Linux on x86-64 only (and Python below 3.14)"
)
SEED = int(os.environ.get("SLICE", "20261121"))
PARTS = 4
_INNER = (
    '<名称>軸受 &amp; &#x9AD9;</名称><Grade>A</Grade><Stock>7</Stock><Price currency="JPY">12.50</Price><Since>2026-11-01</Since><Active>true</Active>',
    '<名称 xsi:nil="true"/><Stock xsi:nil="1"/><Place><City><![CDATA[浜松]]></City><Shelf xsi:nil="true"/></Place><Opens>10:00:00</Opens>',
    "<Modified>2026-11-01T10:00:00+09:00</Modified><!-- c --><?pi x?><New><Deep/></New><Tag>t</Tag><Stock>12,5</Stock>",
)
_WORDS = (
    "<!--", "-->", "<![CDATA[", "]]>", "<?xml", "?>", "<!DOCTYPE", "<!ENTITY", "&#x", "&amp;", "xmlns=", "xmlns:", "xsi:nil=", "xsi:type=", "xsd:string",
    "Envelope", "Body", "Fault", "ReadParts_Result", "List", "Part", "Stock", "Place", "Price", "currency=", "href=", "id=", "encoding=", "Shift_JIS", "UTF-16",
    "urn:parts", "2026-02-30", "24:00:00", "NaN",
)  # fmt: skip
#: A process takes over the peak memory of the one it was forked from, so the fuzzer is forked from a small one.
_APART = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"


def corpus(folder: Path) -> None:
    """Replies to begin with: those of the connector's tests, and the captured ones where they lie beside the repository."""
    folder.mkdir()
    seeds = [reply(part("A", inner)) for inner in _INNER]
    seeds += [reply(), reply(*(part(f"A{at}", _INNER[at % 2]) for at in range(6))), reply(part("A"), head="")]
    text = reply(part("A", "<名称>高い\\~</名称>"), head='<?xml version="1.0" encoding="Shift_JIS"?>').decode()
    seeds += [text.encode("cp932"), text.replace("Shift_JIS", "utf-16").encode("utf-16")]
    seeds.append(envelope("<e:Fault><faultcode>e:Server</faultcode><faultstring>x</faultstring></e:Fault>"))
    seeds += [one.read_bytes() for one in sorted(CAPTURES.glob("*list*.xml"))]
    for at, seed in enumerate(seeds):
        (folder / f"seed-{at:02}").write_bytes(seed)


def fuzz(folder: Path, runs: int, length: int, *, seed: int) -> None:
    """Fails with what the fuzzer found, as a literal that a test can begin with; the same bytes lie in ``folder``."""
    folder.mkdir(exist_ok=True)
    corpus(folder / "corpus")
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in _WORDS), encoding="ascii")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _APART,
            sys.executable,
            str(ROOT / "tests" / "faults" / "soap_fuzz_target.py"),
            f"-runs={runs}",
            f"-max_len={length}",
            f"-seed={seed}",
            "-timeout=120",
            f"-dict={words}",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
            str(folder / "corpus"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = done.stdout + done.stderr
    found = sorted(one for kind in ("crash-*", "oom-*", "timeout-*", "slow-unit-*") for one in folder.glob(kind))
    assert not found, f"{found[0]}: {found[0].read_bytes()!r}\n{said[-4000:]}"
    assert done.returncode == 0, said[-4000:]
    # A fuzzer that instruments nothing finds nothing: it has to have run, and to have seen the decoder's branches.
    assert f"Done {runs} runs" in said and "INFO: Instrumenting connectors.soap.events" in said, said[-4000:]


def test_a_slice_of_guided_mutations_finds_no_wrong_row_and_no_bare_exception(tmp_path: Path) -> None:
    fuzz(tmp_path, 3_000, 2048, seed=SEED)


@pytest.mark.soak
def test_many_guided_mutations_find_no_wrong_row_and_no_bare_exception(tmp_path: Path) -> None:
    # The fuzzer's own notes grow with all it ever ran, by some 260 bytes a run, and count against the decoder's room: none runs for long.
    part = rounds(1_000_000) // PARTS
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(fuzz, tmp_path / str(at), part, 4096, seed=SEED + at) for at in range(PARTS)]:
            done.result()
