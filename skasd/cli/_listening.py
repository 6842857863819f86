"""Pipes, microphones and folders that ``skasd watch`` listens to."""

import os
import sys
import time

from ..clips import ClipError, Clips, pcm_to_float
from ._sources import Folder, Microphone, OneChannel, Pcm

_MOST_WINDOWS = 1.5  # length of a file, in windows, up to which it is judged as a whole


def listen_to_pipe(watch, args):
    """Hear standard input until it ends."""
    pcm = Pcm(sys.stdin.buffer, args.rate or watch.stream.sample_rate, args.channels, args.format)
    one = OneChannel(pcm.rate, watch.stream.sample_rate, _channel(args))
    for samples in pcm.blocks(watch.stream.hop_):
        watch.hear(one(pcm_to_float(samples)))
    watch.keep()


def listen_to_microphone(watch, args):
    """Hear the microphone until the command is interrupted."""
    device = int(args.device) if args.device and args.device.isdecimal() else args.device
    source = Microphone(args.rate or watch.stream.sample_rate, args.channels, device)
    one = OneChannel(source.rate, watch.stream.sample_rate, _channel(args))
    for samples, lost in source.blocks(min(0.1, watch.stream.hop_)):
        if lost:
            watch.console.trouble(
                f"skasd: {lost:.1f} s of sound were lost: this computer is too slow or too busy"
            )
            watch.stream.gap(lost)
        watch.hear(one(samples))


def watch_folder(watch, args):
    """Judge the files that appear in a folder."""
    if not os.path.isdir(args.source):
        raise ValueError(f"{args.source!r} is no folder; '-' is standard input, 'mic' the microphone.")
    watch.folder = folder = Folder(args.source, args.settle)
    if "done" in watch.stream.notes_:
        folder.done = dict.fromkeys(watch.stream.notes_["done"])
    elif not args.all:
        folder.skip_present()
        watch.keep()
    poll = min(1.0, max(0.05, args.settle / 2))
    begun = time.monotonic()
    while True:
        for name in folder.settled():
            _judge_file(watch, folder.path / name, name, args)
            folder.done[name] = None
            watch.keep()
        if args.once and time.monotonic() - begun > args.settle + 2 * poll:
            return
        if watch.page is not None:
            watch.page.write_if_due()
        time.sleep(poll)


def _judge_file(watch, path, name, args):
    stream = watch.stream
    clips = Clips([os.fspath(path)], sample_rate=stream.sample_rate, channel=_channel(args))
    try:
        samples = next(iter(clips))
        written = path.stat().st_mtime
    except ClipError as error:
        watch.fail(name, error.bad_clips[0][1])
        return
    except OSError as error:
        watch.fail(name, str(error))
        return
    begin = stream.time_
    if len(samples) <= _MOST_WINDOWS * stream.window_ * stream.sample_rate:
        event = stream.judge(samples)
        watch.judged(event, written, samples, name, offset=begin)
        return
    stream.gap(0)
    step = max(1, round(stream.hop_ * stream.sample_rate))
    for first in range(0, len(samples), step):
        for event in stream.process(samples[first : first + step]):
            end = written - len(samples) / stream.sample_rate + event.end - begin
            watch.judged(event, end, stream.last_window_, name, offset=begin)


def _channel(args):
    return "mean" if args.channel is None else args.channel
