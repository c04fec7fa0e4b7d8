"""Counts for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/): requests, their time, answers."""

from __future__ import annotations

from collections import Counter, defaultdict


class Meters:
    """What was counted since the start."""

    def __init__(self) -> None:
        self.running = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._answers: Counter[tuple[str, str]] = Counter()

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests[path, status] += 1
        self._seconds[path] += seconds

    def answer(self, task: str, status: str) -> None:
        """Count an answer."""
        self._answers[task, status] += 1

    def text(self) -> str:
        """Return all counts in Prometheus' text format."""
        lines = ["# TYPE emollm_requests_running gauge", f"emollm_requests_running {self.running}"]
        lines.append("# TYPE emollm_requests_total counter")
        lines += [
            f'emollm_requests_total{{path="{path}",status="{status}"}} {n}'
            for (path, status), n in sorted(self._requests.items())
        ]
        lines.append("# TYPE emollm_request_seconds summary")
        for path, seconds in sorted(self._seconds.items()):
            count = sum(n for (other, _), n in self._requests.items() if other == path)
            lines.append(f'emollm_request_seconds_sum{{path="{path}"}} {seconds:.6f}')
            lines.append(f'emollm_request_seconds_count{{path="{path}"}} {count}')
        lines.append("# TYPE emollm_answers_total counter")
        lines += [
            f'emollm_answers_total{{task="{task}",status="{status}"}} {n}'
            for (task, status), n in sorted(self._answers.items())
        ]
        return "\n".join(lines) + "\n"
