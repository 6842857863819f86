"""Streams: windows in, judgements and alarms out."""

from ._drift import Drift
from ._event import Event
from ._state_file import StreamStateError
from ._streaming_detector import StreamingDetector

__all__ = ["Drift", "Event", "StreamStateError", "StreamingDetector"]
