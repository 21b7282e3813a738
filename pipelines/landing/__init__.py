"""Landing: Delta tables of what was pulled, merged current tables with tombstones, and the one record that publishes them."""
