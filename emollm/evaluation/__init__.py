"""From files of answers to scores: reading ours and other projects' outputs, joining them with gold by id, scoring, comparing."""
