"""The steps of one pull, in order: resolve, compare, fetch, judge, land, balance, publish, claim. ``run.py`` walks them."""
