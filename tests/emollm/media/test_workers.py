"""No file hangs or ends the program: deadlines, deaths, quarantine."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from emollm.errors import MediaError
from emollm.media import decode
from emollm.media.workers import Decoders, Job


@pytest.fixture(scope="module")
def decoders():
    """One process for most tests: a start costs more than what they do."""
    with Decoders(1) as decoders:
        yield decoders


def codes(found):
    return {job.path: result.code if isinstance(result, MediaError) else result for job, result in found}


def test_same_clip_as_without(clip, decoders):
    path = clip(n=12)
    there, here = decoders.decode(path, frames=3), decode(path, frames=3)
    assert (there.frames == here.frames).all()
    assert there.states == here.states


def test_errors_come_back_as_they_are(tmp_path, decoders):
    with pytest.raises(MediaError) as caught:
        decoders.decode(tmp_path / "none.mp4")
    assert (caught.value.code, caught.value.where) == ("missing_file", str(tmp_path / "none.mp4"))
    found = codes(decoders.each([Job("a", partial(int, "x")), Job("b", partial(int, "7"))]))
    assert found == {"a": "decode_failed", "b": 7}


def test_file_that_kills_twice_is_in_quarantine_and_costs_no_other(tmp_path, decoders):
    log = tmp_path / "log"
    killer = partial(os.system, f"echo >> {log}; kill -9 $PPID")
    jobs = [Job("bad", killer), *(Job(f"good {k}", partial(abs, -k)) for k in range(8)), Job("bad", killer)]
    results = list(decoders.each(jobs))
    assert codes(results) == {"bad": "decoder_died", **{f"good {k}": k for k in range(8)}}
    assert len(results) == 10
    bad = decoders.quarantine["bad"]
    assert str(-signal.SIGKILL) in bad.what and bad.where == "bad" and bad.fix
    tried = log.read_text().count("\n")
    assert [codes(decoders.each([Job("bad", killer)])), log.read_text().count("\n")] == [{"bad": "decoder_died"}, tried]


def test_file_that_kills_once_is_tried_again(tmp_path, decoders):
    flag = tmp_path / "flag"
    once = partial(os.system, f"[ -e {flag} ] || {{ touch {flag}; kill -9 $PPID; }}")
    assert codes(decoders.each([Job("shy", once)])) == {"shy": 0}
    assert "shy" not in decoders.quarantine


def test_file_that_hangs_is_given_up_at_the_deadline_and_costs_no_other():
    with Decoders(2, deadline_s=5) as decoders:
        jobs = [Job("slow", partial(time.sleep, 6000)), *(Job(str(k), partial(abs, k)) for k in range(4))]
        assert codes(decoders.each(jobs)) == {"slow": "timeout", **{str(k): k for k in range(4)}}
        assert decoders.quarantine.keys() == {"slow"}


def test_jobs_are_drawn_as_processes_are_free(decoders):
    drawn = []

    def jobs():
        for k in range(100):
            drawn.append(k)
            yield Job(str(k), partial(abs, k))

    found = decoders.each(jobs())
    next(found)
    assert len(drawn) <= 4
    found.close()
    assert codes(decoders.each([Job("after", partial(abs, -3))])) == {"after": 3}


def test_script_needs_no_guard_and_leaves_no_process(tmp_path, clip):
    """Also when the program ends without `close`."""
    path = clip(n=3)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom emollm.media.workers import Decoders\ndecoders = Decoders()\n"
        "print(decoders.decode(sys.argv[1]).frames.shape)\nprint(*(process._popen.pid for process in decoders._running))\n"
    )
    done = subprocess.run([sys.executable, str(script), str(path)], capture_output=True, text=True, check=True)
    shape, pid = done.stdout.splitlines()
    assert shape == "(3, 32, 64, 3)"
    for _ in range(100):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.1)
    pytest.fail("the process lives on")


def test_numbers_that_cannot_be():
    for wrong in ({"n": 0}, {"deadline_s": 0}):
        with pytest.raises(ValueError, match="positive"):
            Decoders(**wrong)
