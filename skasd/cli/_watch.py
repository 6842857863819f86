"""``skasd watch``: listen to a folder, a pipe or a microphone, and raise alarms."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from .. import load
from .._whole_file import check_output, whole_file
from ..streaming import StreamingDetector, StreamStateError
from ._console import drop_output, printable
from ._explain import AlarmExplainer
from ._listening import listen_to_microphone, listen_to_pipe, watch_folder

_USUAL_WINDOW = 10.0  # seconds: the length of the challenge's clips


def run(args, console):
    """Listen until the end, Ctrl-C or SIGTERM."""
    detector = load(args.model)
    stream = StreamingDetector(detector, **_parameters(args, detector))
    command = _command(args.on_alarm)
    explainer = AlarmExplainer(args.healthy, detector, console) if args.page or args.healthy else None
    watch = _Watch(args, console, stream, command, explainer)
    watch.resume()
    watch.calibrate()
    kept = f"window {stream.window_:g} s, hop {stream.hop_:g} s; state: {watch.state}"
    source = "standard input" if args.source == "-" else printable(args.source)
    console.note(f"watching {source} with {args.model}: {kept}")
    with _stopped_by_sigterm():
        try:
            if args.source == "-":
                listen_to_pipe(watch, args)
            elif args.source == "mic":
                listen_to_microphone(watch, args)
            else:
                watch_folder(watch, args)
        except KeyboardInterrupt:
            console.note("stopped")
        except BrokenPipeError:
            drop_output()
            console.note("stopped: nobody reads standard output any more")
    watch.close()
    return 0 if watch.n_judged or not watch.n_failed else 2


class _Watch:
    """Prints a line for every window, writes the page and the state, and runs the command at an alarm."""

    def __init__(self, args, console, stream, command, explainer):
        self.args, self.console, self.stream, self.command = args, console, stream, command
        self.explainer = explainer
        self.state = Path(args.state or _default_state(args.model, args.source))
        check_output(self.state)
        self.alarms_file = self.state.with_name(self.state.name + ".alarms.json")
        self.page = None
        if args.page is not None:
            check_output(args.page)
            from ..report import LivePage  # loads matplotlib

            self.page = LivePage(
                args.page,
                f"{Path(args.model).stem}: {'standard input' if args.source == '-' else args.source}",
                detector=stream.detector,
                hours=args.hours,
                every=args.page_every,
                unexplained=self.explainer.missing,
            )
        self.folder = None
        self.n_judged = self.n_failed = 0
        self.status, self.learning, self.alarm = "ok", False, False
        self.calibrated_by = None
        self.children = []

    def resume(self):
        """Restore the state of an earlier run, if there is one that fits."""
        try:
            self.stream.restore(self.state)
        except FileNotFoundError:
            return
        except StreamStateError as error:
            self.console.trouble(f"skasd: warning: {error} Watching begins anew.")
            return
        self.alarm = self.stream.alarm_
        notes = self.stream.notes_
        if self.page is not None and notes.get("page"):
            with suppress(OSError, ValueError):
                alarms = json.loads(self.alarms_file.read_text(encoding="utf-8"))
                self.page.restore(notes["page"], alarms)
        is_live = self.args.source == "mic" or (self.args.source == "-" and not self.args.goes_on)
        if is_live and "clock" in notes:
            lost = max(0.0, time.time() - notes["clock"])
            self.stream.gap(lost)
            self.console.note(f"goes on after a gap of {lost:.0f} s")

    def calibrate(self):
        """Let the stream calibrate itself, unless it was not requested or was begun in an earlier run."""
        asked = [self.args.calibrate, self.args.false_alarms]
        self.calibrated_by = self.stream.notes_.get("calibrated_by")
        if self.stream.calibration_scores_ is None:
            if self.args.calibrate is not None:
                self.calibrated_by = asked
                self.stream.acknowledge()  # --calibrate says that the sound from now on is healthy
                self.stream.calibrate(self.args.calibrate, contamination=self.args.false_alarms)
                self.console.note(f"calibrating: {self.args.calibrate:g} s of sound are taken as healthy")
            elif self.args.hours_per_false_alarm is not None:
                raise ValueError(
                    "--hours-per-false-alarm takes its limit from healthy sound: give --calibrate 3600."
                )
        elif self.args.calibrate is not None and self.calibrated_by not in (None, asked):
            options = zip(("--calibrate", "--false-alarms"), self.calibrated_by, strict=True)
            before = " ".join(f"{name} {value:g}" for name, value in options if value is not None)
            self.console.trouble(
                f"skasd: warning: the calibration of an earlier start ({before}) stands, other options for it are not "
                f"used. A new one takes another --state, or none kept: remove {self.state} first."
            )
        self.learning = self.stream.state_ == "learning"

    def hear(self, samples):
        """Judge samples of the stream, the last of which was heard just now, a hop at a time."""
        step = max(1, round(self.stream.hop_ * self.stream.sample_rate))
        for first in range(0, len(samples), step):
            part = samples[first : first + step]
            for event in self.stream.process(part):
                after = (len(samples) - first - len(part)) / self.stream.sample_rate
                after += self.stream.time_ - event.end
                self.judged(event, time.time() - after, self.stream.last_window_)
                self.keep()

    def judged(self, event, when, waveform, name="", offset=0.0):
        """Print a window that ended at `when`, and act on a change of the alarm.

        `name` is that of its file, which began `offset` seconds after the stream.
        """
        self.n_judged += 1
        change = None if event.alarm == self.alarm else "raised" if event.alarm else "ended"
        self.alarm = event.alarm
        values = event.to_dict()
        values.update(start=round(event.start - offset, 6), end=round(event.end - offset, 6))
        moment = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, **values, "threshold": self.stream.threshold_, "change": change}
        if name:
            line["file"] = name
        why = self.explainer(waveform) if self.explainer and change == "raised" else None
        if why is not None:
            line["why"] = why.sentence
        _print_line(line)
        if event.status != self.status:
            self.status = event.status
            what = "can be judged again" if event.status == "ok" else f"cannot be judged: {event.status}"
            self.console.trouble(f"skasd: the sound {what}{f' ({printable(name)})' if name else ''}")
        if self.learning and event.state == "watching":
            self.learning = False
            self.console.note(f"calibrated: the threshold is {self.stream.threshold_:.4g}")
        if self.page is not None:
            self.page.add(event, when, self.stream.threshold_)
        if change is not None:
            self.console.trouble(
                f"skasd: alarm {change} at {moment}, score {event.score:.4g} {printable(name)}".rstrip()
            )
        if why is not None:
            self.console.trouble(f"skasd: {why.sentence}")
        if change == "raised":
            self.raise_alarm(event, when, waveform, name, line, why)
        if self.page is not None:
            if change is not None:
                self.page.write()
            self.page.write_if_due()

    def raise_alarm(self, event, when, waveform, name, line, why):
        """Keep the sound for the page, and run the command."""
        if self.page is not None:
            self.page.add_alarm(event, when, waveform, self.stream.sample_rate, name, why)
            with whole_file(self.alarms_file) as part:
                Path(part).write_text(json.dumps(list(self.page.alarms)), encoding="utf-8")
        if self.command is None:
            return
        self.children = [child for child in self.children if child.poll() is None]
        try:
            child = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=2,  # standard output is for the lines alone
                start_new_session=True,  # Ctrl-C is for this process
                env={**os.environ, "SKASD_TIME": line["time"], "SKASD_SCORE": str(line["score"])},
            )
            self.children.append(child)
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            self.console.trouble(f"skasd: the command of --on-alarm failed: {error}")

    def keep(self):
        """Write the state."""
        notes = {"clock": time.time(), "calibrated_by": self.calibrated_by}
        if self.page is not None:
            notes["page"] = self.page.state()
        if self.folder is not None:
            notes["done"] = list(self.folder.done)
        self.stream.save(self.state, sound=self.args.goes_on, notes=notes)

    def fail(self, name, cause):
        """Say that a file cannot be judged."""
        self.n_failed += 1
        self.console.trouble(f"skasd: not judged: {printable(name)}: {cause}")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        _print_line({"time": now, "file": name, "error": cause})

    def close(self):
        """Report an incomplete calibration, write the page for the last time, and wait 5 s for each running command."""
        if (progress := self.stream.calibration_progress_) is not None:
            taken, wanted = progress
            self.console.trouble(
                f"skasd: the calibration is not complete: {taken} of {wanted} windows of {self.stream.window_:g} s "
                "that do not overlap were heard. No alarm could be raised; decisions were by the threshold of the "
                f"model. The next start with this state goes on with it: {self.state}"
            )
        if self.page is not None:
            self.page.write()
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=5)


def _parameters(args, detector):
    """Return the parameters of the stream that the arguments describe."""
    match = re.fullmatch(r"(\d+)/(\d+)", args.confirm)
    if not match:
        raise ValueError(f"--confirm {args.confirm}: give two numbers as 2/3.")
    if args.false_alarms is not None and args.calibrate is None:
        raise ValueError(
            "--false-alarms is for --calibrate; 'skasd calibrate' sets the threshold of the model."
        )
    conditions = getattr(detector, "training_conditions_", None)
    window = args.window
    if window is None:
        window = _USUAL_WINDOW
        if conditions is not None:  # a window as long as the clips learnt from, or within their range
            window = max(min(window, getattr(conditions, "longest_", window)), conditions.shortest_)
    parameters = {"window": window, "hop": min(args.hop, window), "confirm": tuple(map(int, match.groups()))}
    if args.alpha is not None:
        parameters.update(alarm="martingale", alpha=args.alpha)
    if args.hours_per_false_alarm is not None:
        if args.alpha is not None:
            raise ValueError("--alpha and --hours-per-false-alarm are two rules of alarms: give one of them.")
        parameters.update(alarm="ewma", hours_per_false_alarm=args.hours_per_false_alarm)
    if conditions is not None:
        parameters["max_clipped"] = min(1.0, max(conditions.max_clipped, 2 * conditions.clipped_))
    for name in ("channels", "rate", "settle", "page_every"):
        if getattr(args, name) is not None and not getattr(args, name) > 0:
            raise ValueError(f"--{name.replace('_', '-')} {getattr(args, name)} must be above 0.")
    return parameters


def _command(text):
    """Return the words of a command; raise if its program does not exist."""
    if text is None:
        return None
    words = shlex.split(text)
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"--on-alarm {text!r}: there is no such program.")
    return words


def _default_state(model, source):
    """Return the name of the state file beside the model, one for each source."""
    if source in ("-", "mic"):
        return f"{model}.{'stdin' if source == '-' else 'mic'}.state"
    place = os.path.abspath(source)
    return f"{model}.{os.path.basename(place)}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:6]}.state"


def _print_line(values):
    print(json.dumps(values, allow_nan=False), flush=True)


@contextmanager
def _stopped_by_sigterm():
    """Let SIGTERM end the watch as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
