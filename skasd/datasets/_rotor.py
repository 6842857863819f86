"""The physics of the synthetic machine: a shaft, a gear pair and a rolling bearing, in a factory."""

import zlib
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

FAULTS = ("bearing", "gear", "imbalance", "looseness")

# What one unit of severity does; set so that a Mahalanobis detector on log-mel statistics finds severity 0.5
# in most but not all clips.
BEARING_GAIN = 0.28
GEAR_GAIN = 2.8
IMBALANCE_GAIN = 1.8
LOOSENESS_GAIN = 1.9

# Operating points of a domain: speed relative to the section's own, load in per cent, background.
_CONDITIONS = {
    "source": (((1.00, 50), (1.00, 75), (1.10, 50), (1.10, 75)), "A"),
    "target": (((0.95, 80), (0.95, 90)), "B"),
}
_TARGET_SNR = -1.0  # the target's background is louder, dB


@dataclass(frozen=True)
class Conditions:
    """Conditions of a recording: nominal speed in rev/min, load in per cent, background."""

    speed: float
    load: int
    noise: str

    @property
    def attribute(self):
        """The attribute string of a challenge file name."""
        return f"spd_{round(60 * self.speed)}_load_{self.load}_noise_{self.noise}"


class Rotor:
    """A machine whose geometry is fixed by its name and section alone.

    Speed, teeth, bearing and resonances of the unit, ``section``, follow a low-discrepancy sequence, so that sections
    of one machine are never close to each other.
    """

    def __init__(self, machine, section, sample_rate, n_samples):
        self.spawn_key = (zlib.crc32(machine.encode()), section)
        rng = np.random.default_rng(self.spawn_key[:1])
        # steps of the R-sequence: fractional parts of k / g^j with g the root of g^7 = g + 1
        steps = 1.1127756842787055 ** -np.arange(1.0, 7.0)
        u = (rng.random(6) + section * steps) % 1.0
        rng = np.random.default_rng(self.spawn_key)
        self.speed = float(18.0 + 22.0 * u[0])  # rev/s
        self.n_teeth = round(15 + 18 * float(u[1]))
        n_balls, diameter_ratio, angle = 7 + int(6 * u[2]), 0.18 + 0.12 * u[2], np.deg2rad(15 * u[5])
        # ball pass frequency of the outer race, in orders of the shaft
        self.outer_race_order = n_balls / 2 * (1 - diameter_ratio * np.cos(angle))
        nyquist = sample_rate / 2
        self.resonance = nyquist * (0.3 + 0.45 * u[3])  # Hz, of the bearing seat
        self.casing = nyquist * (0.08 + 0.12 * u[4])  # Hz, of the casing
        self.damping = float(0.02 + 0.03 * u[5])
        n_shaft, n_mesh = 8, 3
        self.shaft = np.arange(1, n_shaft + 1) ** -(0.8 + 0.8 * u[5]) * rng.lognormal(0, 0.5, n_shaft)
        self.shaft = self._with_phase(0.5 * self.shaft / np.linalg.norm(self.shaft), rng)
        self.mesh = np.array([1.0, 0.5, 0.25]) * rng.lognormal(0, 0.4, n_mesh)
        self.mesh = self._with_phase(0.6 * self.mesh / np.linalg.norm(self.mesh), rng)
        self.am, self.pm = (0.1 + 0.1 * rng.random(2)).tolist()
        self.sample_rate, self.n_samples = sample_rate, n_samples
        self._shapes = self._spectra(rng)

    @staticmethod
    def _with_phase(amplitudes, rng):
        return (amplitudes * np.exp(2j * np.pi * rng.random(len(amplitudes)))).astype(np.complex64)

    def _spectra(self, rng):
        """Return magnitude spectra of unit power: friction, backgrounds A (pink) and B (with a hump)."""
        n = fft.next_fast_len(self.n_samples, real=True)
        f = np.maximum(np.fft.rfftfreq(n, 1 / self.sample_rate), 20.0)
        friction = 0.15 / (1 + (f / 1500) ** 2) ** 0.5
        for centre, gain in ((self.casing, 1.0), (self.resonance, 0.5), (rng.uniform(200, 0.4 * f[-1]), 0.7)):
            q = centre / (12 * self.damping * centre + 100)
            friction = friction + gain / np.sqrt(1 + (q * (f / centre - centre / f)) ** 2)
        shapes = {
            "friction": friction,
            "A": f**-0.5,
            "B": f**-0.6 * (1 + 0.6 * np.exp(-0.5 * (np.log2(f / 600) / 0.5) ** 2)),
        }
        return {name: (s / np.sqrt(np.mean(s**2))).astype(np.float32) for name, s in shapes.items()}

    def shape(self, name):
        """Return the magnitude spectrum of a noise, of unit power: "friction", background "A" or "B"."""
        return self._shapes[name]

    def conditions(self, rng, domain):
        """Draw the operating point of a clip."""
        points, noise = _CONDITIONS[domain]
        factor, load = points[rng.integers(len(points))]
        return Conditions(self.speed * factor, load, noise)

    def sound(self, seed, domain, snr, fault=None, severity=0.0):
        """Return one clip and its conditions.

        The healthy part uses its own random generator: with severity 0, a fault changes nothing.
        """
        healthy, faulty = (np.random.default_rng(child) for child in seed.spawn(2))
        conditions = self.conditions(healthy, domain)
        # Python floats, so that arrays stay float32
        snr = snr + (_TARGET_SNR if domain == "target" else 0.0) + float(healthy.normal(0, 1.0))
        load = conditions.load / 100 * (1 + float(healthy.normal(0, 0.05)))
        speed = conditions.speed * (1 + float(healthy.normal(0, 0.004)))
        # of shaft, mesh and friction; differ by 0.5 dB between clips
        level = (10 ** (healthy.normal(0, 0.5, 3) / 20)).tolist()
        gain = 10 ** (float(healthy.normal(0, 0.3)) / 20)
        t = np.arange(self.n_samples) / self.sample_rate
        revolutions = self._revolutions(t, speed, healthy)

        turn = np.exp(2j * np.pi * revolutions).astype(np.complex64)  # e^{i phi}
        cosine = turn.real
        mesh_phase = self.n_teeth * revolutions + self.pm / (2 * np.pi) * cosine
        mesh_turn = np.exp(2j * np.pi * mesh_phase).astype(np.complex64)
        shaft_drift, mesh_drift = (1 + 0.08 * self._slow(t, healthy) for _ in range(2))
        shaft = level[0] * shaft_drift * harmonics(self.shaft, turn)
        mesh = (
            level[1]
            * (0.4 + 0.8 * load)
            * mesh_drift
            * (1 + self.am * cosine)
            * harmonics(self.mesh, mesh_turn)
        )
        friction = level[2] * 0.5 * (0.5 + 0.5 * load) * (1 + 0.1 * cosine) * self._noise("friction", healthy)
        background = self._noise(conditions.noise, healthy) + self._clanks(t, healthy)
        # 0.75: about the root mean square of the healthy machine
        reference = 0.75 * 10 ** (-snr / 20)

        if fault == "gear":
            bump = self._tooth(revolutions, faulty)
            mesh *= 1 + severity * GEAR_GAIN * bump
            friction *= 1 + severity * bump
        elif fault == "imbalance":
            friction *= 1 + 0.6 * severity * cosine
        machine = shaft + mesh + friction
        if fault == "bearing":
            machine += severity * BEARING_GAIN * (0.5 + 0.5 * load) * self._bearing(t, revolutions, faulty)
        elif fault == "imbalance":
            centrifugal = severity * IMBALANCE_GAIN * (speed / self.speed) ** 2
            phase = np.complex64(np.exp(2j * np.pi * faulty.random()))
            machine += 0.4 * centrifugal * (phase * turn * (1 + 0.2 * turn)).real
        elif fault == "looseness":
            machine += severity * LOOSENESS_GAIN * self._looseness(t, revolutions, faulty)
        return np.clip(0.08 * gain * (machine + reference * background), -1, 1).astype(np.float32), conditions

    def _slow(self, t, rng):
        """Draw a slow drift with standard deviation about 1: three cosines with periods of 2 to 10 s."""
        total = np.zeros(len(t), dtype=np.float32)
        for rate, phase in zip(rng.uniform(0.1, 0.5, 3), rng.random(3), strict=True):
            total += np.cos((2 * np.pi * (rate * t + phase)).astype(np.float32))
        return total * float(np.sqrt(2 / 3))

    def _revolutions(self, t, speed, rng):
        """Integrate the speed, which wanders by 0.1 %, to the angle of the shaft in revolutions."""
        revolutions = speed * t + rng.random()
        for rate, phase in zip(rng.uniform(0.1, 0.5, 3), rng.random(3), strict=True):
            revolutions += 0.001 * speed / (2 * np.pi * rate) * np.sin(2 * np.pi * (rate * t + phase))
        return revolutions

    def _noise(self, shape, rng):
        shape = self._shapes[shape]
        n = fft.next_fast_len(self.n_samples, real=True)
        white = rng.standard_normal((len(shape), 2), dtype=np.float32).view(np.complex64)[:, 0]
        return fft.irfft(white * shape, n)[: self.n_samples] * float(np.sqrt(n / 2))

    def _clanks(self, t, rng):
        """Distant work: on average one short decaying knock in two seconds."""
        knocks = np.zeros(self.n_samples)
        for start in rng.random(rng.poisson(t[-1] / 2)):
            knocks[int(start * self.n_samples)] += rng.lognormal(0, 0.5)
        frequency = rng.uniform(0.05, 0.3) * self.sample_rate / 2
        return 1.5 * self.ring(knocks, frequency, 0.02) if knocks.any() else np.float32(0)

    def ring(self, impulses, frequency, damping):
        """Pass impulses through a resonator, whose answer to each is e^{-zeta w t} sin(w t)."""
        omega = 2 * np.pi * frequency / self.sample_rate
        radius = np.exp(-damping * omega)
        b, a = [0.0, radius * np.sin(omega)], [1.0, -2 * radius * np.cos(omega), radius**2]
        return signal.lfilter(b, a, impulses).astype(np.float32)

    def impulses(self, t, revolutions, order, jitter, rng):
        """Place `order` impulses a revolution, which slip: their jitter accumulates."""
        passages = order * revolutions
        n = int(passages[-1] - passages[0]) + 2
        at = passages[0] + rng.random() + np.cumsum(1 + rng.normal(0, jitter, n)) - 1
        at = at[at < passages[-1]]
        position = np.interp(at, passages, np.arange(len(t)))
        index = position.astype(int)
        strength = rng.normal(1, 0.2, len(at))
        impulses = np.zeros(len(t) + 1)
        np.add.at(
            impulses, index, strength * (1 - (position - index))
        )  # split between the two nearest samples
        np.add.at(impulses, index + 1, strength * (position - index))
        return impulses[:-1]

    def _bearing(self, t, revolutions, rng):
        """Strike the resonance of the seat at the ball pass frequency; root mean square about 1."""
        impulses = self.impulses(t, revolutions, self.outer_race_order, 0.015, rng)
        return self.ring(impulses, self.resonance, self.damping) / self.bearing_level

    @property
    def bearing_level(self):
        """Root mean square of the resonance of the seat, struck by impulses of 1."""
        energy = 1 / (4 * self.damping * 2 * np.pi * self.resonance)  # of one ring-down, in seconds
        return float(np.sqrt(self.outer_race_order * self.speed * energy))

    def _tooth(self, revolutions, rng):
        """Return a bump one tooth wide, once a revolution: 1 for the damaged tooth in mesh."""
        angle = (revolutions + rng.random() + 0.5) % 1.0 - 0.5
        return np.exp(-0.5 * (angle * self.n_teeth) ** 2).astype(np.float32)

    def _looseness(self, t, revolutions, rng):
        """Half orders of the shaft that come and go, and a rattle of the casing once a revolution."""
        half_turn = np.exp(1j * np.pi * revolutions).astype(np.complex64)
        orders = np.zeros(16)
        orders[::2] = np.arange(1, 9) ** -0.7  # 0.5, 1.5, 2.5 ...
        orders[1::2] = 0.5 * np.arange(1, 9) ** -0.7
        half_orders = harmonics(self._with_phase(0.2 * orders, rng), half_turn)
        rattle = self.ring(self.impulses(t, revolutions, 1.0, 0.03, rng), self.casing, 2 * self.damping)
        return (1 + 0.3 * self._slow(t, rng)) * half_orders + rattle


def harmonics(coefficients, z):
    """Return the real part of sum_k c_k z^k, k = 1 ...: harmonics by Horner's rule, without a cosine each."""
    total = np.full_like(z, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= z
        total += coefficient
    total *= z
    return total.real
