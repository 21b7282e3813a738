"""The sandbox's ERP: three SOAP services of one on-premise maker, each old in its own way, behind one server."""
