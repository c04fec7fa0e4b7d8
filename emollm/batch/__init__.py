"""Answers to many requests, written as they come, so that an interrupted run can go on.

    with Output.open(Path("out.jsonl"), settings) as output:
        todo = Todo(rows, ask, engine.identity, sampling)
        for prediction in run_rows(todo, engine, output): ...

Rows of the source are read as they are needed, clips are decoded ahead of the engine, and memory does not grow with their number. What is
done is known by content (keys.py): a clip whose bytes have changed is asked about again. Error rows count as done, too, until they are
retried. Several engines share a run by shards (`portion`), or as Ray actors (ray_actors.py). Does not: read sources
(emollm/data/sources.py does).
"""

from emollm.batch.keys import request_key
from emollm.batch.output import Output, Settings, companions
from emollm.batch.run import Row, Todo, count_rows, portion, run, run_rows

__all__ = [
    "Output",
    "Row",
    "Settings",
    "Todo",
    "companions",
    "count_rows",
    "portion",
    "request_key",
    "run",
    "run_rows",
]
