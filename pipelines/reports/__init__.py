"""Pages and files for people to read and decide on: the week-one source map and the contracts it proposes."""
