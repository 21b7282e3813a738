"""Schemas that contracts import and hardly anybody serves: taken from the xmlschema library, so that no import leaves for the web."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from connectors.errors import FixConfiguration

#: Documents from here carry a URL of this form in a bundle; it can't be fetched.
CATALOG = "urn:fortnight:catalog:"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
XMLMIME = "http://www.w3.org/2005/05/xmlmime"
_SHIPPED = {
    ENCODING: "WSDL/soap-encoding.xsd",
    "http://schemas.xmlsoap.org/soap/envelope/": "WSDL/soap-envelope.xsd",
    "http://www.w3.org/XML/1998/namespace": "XML/xml.xsd",
    "http://www.w3.org/1999/xlink": "XLINK/xlink.xsd",
}
#: Typed for binary data with a media type (W3C note of 4 May 2005); the library ships none, and there is no more to it than this.
_XMLMIME_SCHEMA = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:m="{XMLMIME}" targetNamespace="{XMLMIME}">
<xs:attribute name="contentType" type="xs:string"/><xs:attribute name="expectedContentTypes" type="xs:string"/>
<xs:complexType name="base64Binary"><xs:simpleContent><xs:extension base="xs:base64Binary"><xs:attribute ref="m:contentType"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="hexBinary"><xs:simpleContent><xs:extension base="xs:hexBinary"><xs:attribute ref="m:contentType"/></xs:extension></xs:simpleContent></xs:complexType>
</xs:schema>""".encode()
#: The namespaces whose schema stands here, whatever location a contract names for them.
NAMESPACES = frozenset({*_SHIPPED, XMLMIME})


@cache
def shipped(namespace: str) -> bytes:
    """The schema of one of NAMESPACES. Raises FixConfiguration when the library that ships it lacks it."""
    if namespace == XMLMIME:
        return _XMLMIME_SCHEMA
    found = find_spec("xmlschema")
    path = Path(found.origin).parent / "schemas" / _SHIPPED[namespace] if found and found.origin else None
    if path is None or not path.is_file():
        raise FixConfiguration("soap.catalog_missing", namespace=namespace)
    return path.read_bytes()


def url_of(namespace: str) -> str:
    """The URL that this namespace's document carries inside a bundle."""
    return CATALOG + namespace
