"""XML as the ERP's services receive it: the namespaces they share, and a parser that opens nothing."""

from __future__ import annotations

from lxml import etree

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


class DoctypeError(ValueError):
    """A request with a DOCTYPE, which SOAP forbids."""


def parsed(body: bytes) -> etree._Element:
    """The root of a request. Raises ValueError for what is not well formed, and DoctypeError."""
    # One parser a request: lxml parsers are not to be shared by threads that parse at the same time.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DoctypeError("a request with a DOCTYPE")
    return root
