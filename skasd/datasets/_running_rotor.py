"""The synthetic machine, running continuously from block to block."""

import numpy as np
from scipy import fft, signal

from ._rotor import (
    BEARING_GAIN,
    GEAR_GAIN,
    IMBALANCE_GAIN,
    LOOSENESS_GAIN,
    Rotor,
    harmonics,
)

_N_TAPS = 2048
_LOAD, _LOAD_SPREAD, _SPEED_SPREAD = 0.65, 0.1, 0.015
_KNOTS = 0.02  # seconds
_RING_SECONDS = 0.5  # after which nothing is left of a knock


class RunningRotor:
    """A `Rotor` whose phases, noises and ringing continue from block to block."""

    def __init__(self, machine, sample_rate, seed, *, wander, snr):
        self.rotor = rotor = Rotor(machine, 0, sample_rate, 4 * _N_TAPS)
        self.rate = sample_rate
        streams = np.random.SeedSequence(seed, spawn_key=rotor.spawn_key).spawn(3)
        fixed, self.healthy, self.faulty = map(np.random.default_rng, streams)
        self.load = _Wandering(fixed, wander * _LOAD_SPREAD, 60, 900)
        self.speed = _Wandering(fixed, wander * _SPEED_SPREAD, 60, 900)
        self.levels = [_Wandering(fixed, 0.08, 2, 10) for _ in range(2)]
        self.fluctuation = _Wandering(fixed, 0.3, 2, 10)
        self.phases = np.exp(2j * np.pi * fixed.random(17)).astype(np.complex64)
        self.tooth = fixed.random()
        self.noises = {name: _Noise(rotor.shape(name), self.healthy) for name in ("friction", "A")}
        # about the root mean square of the healthy machine, as in single clips
        self.background = 0.75 * 10 ** (-snr / 20)
        self.n_done = 0
        self.revolutions = float(fixed.random())
        self.ringing = dict.fromkeys(("knocks", "bearing", "rattle"), np.zeros(0, np.float32))

    def run(self, n_samples, fault, degree):
        """Return the next samples; `degree` gives the severity of the fault at times in s."""
        rotor = self.rotor
        t = (self.n_done + np.arange(n_samples)) / self.rate
        load = np.clip(_LOAD + self.load(t), 0.1, 1.2).astype(np.float32)
        # in float64: its sum over days must not lose the fraction of a revolution
        speed = rotor.speed * (1 + self.speed(t).astype(np.float64))
        revolutions = self.revolutions + np.cumsum(speed) / self.rate
        self.n_done, self.revolutions = self.n_done + n_samples, float(revolutions[-1])
        turn = _turns(revolutions)
        cosine = turn.real
        mesh_phase = rotor.n_teeth * revolutions + rotor.pm / (2 * np.pi) * cosine
        shaft = (1 + self.levels[0](t)) * harmonics(rotor.shaft, turn)
        mesh = (0.4 + 0.8 * load) * (1 + self.levels[1](t)) * (1 + rotor.am * cosine)
        mesh = mesh * harmonics(rotor.mesh, _turns(mesh_phase))
        friction = 0.5 * (0.5 + 0.5 * load) * (1 + 0.1 * cosine) * self.noises["friction"](n_samples)
        background = self.noises["A"](n_samples) + self._knocks(n_samples)
        severity = degree(t).astype(np.float32) if fault else 0.0
        if fault == "gear":
            angle = (revolutions + self.tooth + 0.5) % 1.0 - 0.5
            bump = np.exp(-0.5 * (angle * rotor.n_teeth) ** 2).astype(np.float32)
            mesh, friction = mesh * (1 + severity * GEAR_GAIN * bump), friction * (1 + severity * bump)
        elif fault == "imbalance":
            friction = friction * (1 + 0.6 * severity * cosine)
        machine = shaft + mesh + friction
        if fault == "bearing":
            struck = self._struck("bearing", t, revolutions, rotor.outer_race_order, 0.015)
            machine += severity * BEARING_GAIN * (0.5 + 0.5 * load) * struck / rotor.bearing_level
        elif fault == "imbalance":
            centrifugal = IMBALANCE_GAIN * (speed / rotor.speed).astype(np.float32) ** 2
            machine += 0.4 * severity * centrifugal * (self.phases[-1] * turn * (1 + 0.2 * turn)).real
        elif fault == "looseness":
            orders = np.arange(1, 9).repeat(2) ** -0.7 * np.tile([0.2, 0.1], 8) * self.phases[:16]
            loose = (1 + self.fluctuation(t)) * harmonics(
                orders.astype(np.complex64), _turns(revolutions / 2)
            )
            loose += self._struck("rattle", t, revolutions, 1.0, 0.03)
            machine += severity * LOOSENESS_GAIN * loose
        return np.clip(0.08 * (machine + self.background * background), -1, 1).astype(np.float32)

    def _knocks(self, n_samples):
        """Distant work: on average one short decaying knock in two seconds."""
        knocks = np.zeros(n_samples)
        for start in self.healthy.random(self.healthy.poisson(n_samples / self.rate / 2)):
            knocks[int(start * n_samples)] += self.healthy.lognormal(0, 0.5)
        return 1.5 * self._ring("knocks", knocks, 0.08 * self.rate, 0.02)

    def _struck(self, name, t, revolutions, order, jitter):
        impulses = self.rotor.impulses(t, revolutions, order, jitter, self.faulty)
        frequency, damping = self.rotor.resonance, self.rotor.damping
        if name == "rattle":
            frequency, damping = self.rotor.casing, 2 * damping
        return self._ring(name, impulses, frequency, damping)

    def _ring(self, name, impulses, frequency, damping):
        """Let impulses ring, together with the remains of those of earlier blocks."""
        n, n_after = len(impulses), round(_RING_SECONDS * self.rate)
        out = self.rotor.ring(np.concatenate([impulses, np.zeros(n_after)]), frequency, damping)
        left = self.ringing[name][: n + n_after]
        out[: len(left)] += left
        self.ringing[name] = out[n:]
        return out[:n]


class _Wandering:
    """A slow function of time: cosines with random periods and phases, of a standard deviation."""

    def __init__(self, rng, spread, shortest, longest):
        self.rates = 1 / (shortest * (longest / shortest) ** rng.random(4))
        self.phases = rng.random(4)
        self.size = spread / np.sqrt(2)

    def __call__(self, t):
        # it bends little between knots, which are the same for all blocks
        knots = np.arange(np.floor(t[0] / _KNOTS), np.ceil(t[-1] / _KNOTS) + 1) * _KNOTS
        turns = self.rates[:, None] * knots + self.phases[:, None]
        values = self.size * np.cos(2 * np.pi * (turns % 1.0)).sum(axis=0)
        return np.interp(t, knots, values).astype(np.float32)


class _Noise:
    """Continuous coloured noise: white noise through a filter of the given magnitude."""

    def __init__(self, shape, rng):
        response = np.roll(fft.irfft(shape), _N_TAPS // 2)[:_N_TAPS]
        taps = response * np.hanning(_N_TAPS)
        self.taps = (taps / np.sqrt(np.sum(taps**2))).astype(np.float32)
        self.rng = rng
        self.tail = rng.standard_normal(_N_TAPS - 1, dtype=np.float32)

    def __call__(self, n_samples):
        white = np.concatenate([self.tail, self.rng.standard_normal(n_samples, dtype=np.float32)])
        self.tail = white[n_samples:]
        return signal.oaconvolve(white, self.taps, mode="valid")


def _turns(revolutions):
    """Return e^{i phi} of an angle in revolutions, in float32 from the fraction on."""
    angle = (2 * np.pi * (revolutions % 1.0)).astype(np.float32)
    out = np.empty(len(angle), np.complex64)
    np.cos(angle, out=out.real)
    np.sin(angle, out=out.imag)
    return out
