"""One clip in, frames and waveform out: `probe` reads what a file declares, `decode` reads what it holds."""

from emollm.errors import MediaError
from emollm.media.decode import Clip, decode, part_of
from emollm.media.probe import AudioStream, Probe, VideoStream, probe

__all__ = ["AudioStream", "Clip", "MediaError", "Probe", "VideoStream", "decode", "part_of", "probe"]
