"""What XML Schema itself names: its built-in types and its constraining facets. Source: XML Schema 1.0 part 2 §3 and §4.3, 1.1 part 2 §3.4."""

from __future__ import annotations

#: A facet that a derived type states again replaces its base's; enumerations may only shrink, so replacing is right for them too.
FACETS = frozenset(
    {
        "enumeration",
        "pattern",
        "length",
        "minLength",
        "maxLength",
        "totalDigits",
        "fractionDigits",
        "minInclusive",
        "maxInclusive",
        "minExclusive",
        "maxExclusive",
        "whiteSpace",
    }
)

#: The built-in types of XML Schema 1.0, and what 1.1 adds.
BUILTINS = frozenset(
    [
        "anyType",
        "anySimpleType",
        "anyAtomicType",
        "string",
        "normalizedString",
        "token",
        "language",
        "Name",
        "NCName",
        "NMTOKEN",
        "NMTOKENS",
        "ID",
        "IDREF",
        "IDREFS",
        "ENTITY",
        "ENTITIES",
        "anyURI",
        "QName",
        "NOTATION",
        "boolean",
        "float",
        "double",
        "decimal",
        "integer",
        "nonPositiveInteger",
        "negativeInteger",
        "nonNegativeInteger",
        "positiveInteger",
        "long",
        "int",
        "short",
        "byte",
        "unsignedLong",
        "unsignedInt",
        "unsignedShort",
        "unsignedByte",
        "dateTime",
        "dateTimeStamp",
        "date",
        "time",
        "gYear",
        "gYearMonth",
        "gMonth",
        "gMonthDay",
        "gDay",
        "duration",
        "dayTimeDuration",
        "yearMonthDuration",
        "base64Binary",
        "hexBinary",
    ]
)
