"""The sandbox's kintone domain: the real REST protocol, errors, limits and rights over four apps of Sakura Seiki."""
