"""What is on record of every answer: rows, their chain, the log on storage, and what is forgotten with proof."""
