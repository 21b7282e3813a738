"""販売管理 (hanbai), the old sales system: RPC/encoded as NuSOAP writes it, credentials in the body, no paging, errors in HTTP 200."""
