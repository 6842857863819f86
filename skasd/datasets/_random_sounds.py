"""Random mixtures of sounds that a network can be trained on without recordings."""

from numbers import Integral, Real

import numpy as np
import scipy.fft
import scipy.signal
from sklearn.utils import check_random_state

from .._sklearn_compat import Interval, validate_params

_TABLE = 1 << 14  # samples of one period of a harmonic series
_PARTIALS = 40


@validate_params(
    {
        "n_clips": [Interval(Integral, 1, None, closed="left")],
        "duration": [Interval(Real, 0, None, closed="neither")],
        "sample_rate": [Interval(Integral, 1000, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_random_sounds(
    n_clips: int,
    *,
    duration: float = 2.0,
    sample_rate: int = 32000,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Make random sounds: mixtures of coloured noise, harmonic series and impulse trains.

    They are not machine sounds, and they vary more than those of any machine: a network trained on them learns to
    distinguish sounds, not machines. The encoder shipped with the library was trained on them alone.

    Parameters
    ----------
    n_clips : int
        Number of clips.
    duration : float, default=2.0
        Length of a clip in seconds.
    sample_rate : int, default=32000
        In Hz.
    random_state : int, RandomState instance or None, default=None
        Seeds the clips.

    Returns
    -------
    X : float32 array of shape (n_clips, n_samples)
        Peaks between 0.01 and 1.

    See Also
    --------
    make_machine_sounds : Sounds of a gearbox, healthy and faulty.

    Notes
    -----
    A clip is the sum of up to five layers, each at 0 to -30 dB; the probability of each is in brackets:

    - Gaussian noise (0.95, and a second time 0.3) under a spectral envelope of 3 to 15 random knots over the
      logarithm of the frequency, of 18 dB standard deviation, falling by up to 60 dB over the band in
      addition; four in ten are modulated in amplitude;
    - a harmonic series (0.6, and a second time 0.3): fundamental of 15 to 4,000 Hz, up to 40 partials of
      exponentially distributed amplitudes that fall by 1 / k ** (0 to 2), frequency modulation of up to 2 % at
      0.2 to 30 Hz; six in ten are modulated in amplitude;
    - an impulse train (0.5) of 1 to 300 per second, jittered by 5 %, through 1 to 4 damped resonances of 100
      to 12,000 Hz.

    Amplitude modulation is of up to 100 % at 0.5 to 80 Hz. A quarter of the layers sound only during a part of the
    clip. Half of the clips contain nothing above 8 kHz, like recordings at 16 kHz, and a tenth contain nothing below a
    random frequency of up to 300 Hz.

    Examples
    --------
    >>> from skasd.datasets import make_random_sounds
    >>> make_random_sounds(2, duration=0.5, random_state=0).shape
    (2, 16000)
    """
    random = np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))
    n_samples = max(1, round(duration * sample_rate))
    X = np.zeros((n_clips, n_samples), np.float32)
    for clip in X:
        layers = [layer for layer, probability in _LAYERS if random.random() < probability]
        for layer in layers or [_noise]:
            sound = layer(random, n_samples, sample_rate)
            if random.random() < 0.25:
                sound *= _gate(random, n_samples)
            spread = np.sqrt(np.mean(np.square(sound)))
            clip += np.float32(10 ** (random.uniform(-30, 0) / 20) / max(spread, 1e-12)) * sound
        _limit_band(random, clip, sample_rate)
        clip *= np.float32(10 ** (random.uniform(-40, 0) / 20) / max(np.abs(clip).max(), 1e-12))
    return X


def _noise(random, n_samples, sample_rate):
    n_fft = scipy.fft.next_fast_len(n_samples, real=True)
    n_bins = n_fft // 2 + 1
    n_knots = random.integers(3, 16)
    # the envelope is drawn on a coarse logarithmic scale: 256 points are as fine as 15 knots can be
    position = np.linspace(0, 1, 256)
    knots = np.interp(position, np.linspace(0, 1, n_knots), random.normal(0, 18, n_knots))
    levels = knots - random.uniform(0, 60) * position
    frequencies = np.arange(1, n_bins + 1, dtype=np.float32) / n_bins
    scale = np.log(frequencies * 1000 + 1) / np.log(1001)
    gains = np.interp(scale, position, 10 ** ((levels - levels.max()) / 20)).astype(np.float32)
    spectrum = random.standard_normal((n_bins, 2), dtype=np.float32).view(np.complex64)[:, 0] * gains
    noise = scipy.fft.irfft(spectrum, n_fft)[:n_samples]
    return _modulated(random, noise, sample_rate) if random.random() < 0.4 else noise


def _harmonics(random, n_samples, sample_rate):
    f0 = 15 * (4000 / 15) ** random.random()
    n_partials = min(random.integers(1, _PARTIALS + 1), int(0.48 * sample_rate / f0))
    numbers = np.arange(1, n_partials + 1)
    spectrum = np.zeros(_TABLE // 2 + 1, np.complex64)
    amplitudes = random.exponential(size=n_partials) / numbers ** random.uniform(0, 2)
    spectrum[1 : n_partials + 1] = amplitudes * np.exp(2j * np.pi * random.random(n_partials))
    period = scipy.fft.irfft(spectrum)
    time = np.arange(n_samples) / sample_rate
    rate = 0.2 * 150 ** random.random()
    # frequency modulation of depth d is phase modulation of index d * f0 / rate
    index = random.uniform(0, 0.02) * f0 / (2 * np.pi * rate)
    phase = f0 * time + index * np.sin(2 * np.pi * (rate * time + random.random()))
    tone = period[(phase * _TABLE).astype(np.int64) % _TABLE]
    return _modulated(random, tone, sample_rate) if random.random() < 0.6 else tone


def _impulses(random, n_samples, sample_rate):
    rate = 300 ** random.random()
    interval = sample_rate / rate
    n_impulses = int(n_samples / interval) + 2
    times = interval * (np.arange(n_impulses) + random.random() - 1 + 0.05 * random.normal(size=n_impulses))
    times = times[(times >= 0) & (times < n_samples)].astype(np.int64)
    train = np.zeros(n_samples, np.float32)
    train[times] = random.normal(1, 0.2, len(times))
    sound = np.zeros(n_samples, np.float32)
    for _ in range(random.integers(1, 5)):
        frequency = 100 * 120 ** random.random()
        damping = random.uniform(0.005, 0.1) * frequency + 20
        radius, angle = np.exp(-np.pi * damping / sample_rate), 2 * np.pi * frequency / sample_rate
        if frequency < 0.48 * sample_rate:
            poles = [1, -2 * radius * np.cos(angle), radius**2]
            ring = scipy.signal.lfilter([np.sin(angle)], poles, train)
            sound += np.float32(random.exponential()) * ring.astype(np.float32)
    return sound


def _modulated(random, sound, sample_rate):
    rate = 0.5 * 160 ** random.random()
    depth = np.float32(random.random())
    time = np.arange(len(sound), dtype=np.float32) / np.float32(sample_rate)
    return sound * (
        1 + depth * np.sin(np.float32(2 * np.pi * rate) * time + np.float32(random.uniform(0, 6.3)))
    )


def _gate(random, n_samples):
    gate = np.zeros(n_samples, np.float32)
    length = max(1, int(random.uniform(0.05, 0.7) * n_samples))
    first = random.integers(0, n_samples - length + 1)
    ramp = min(length // 2, max(1, n_samples // 200))
    gate[first : first + length] = 1
    if ramp:
        edge = np.linspace(0, 1, ramp, dtype=np.float32)
        gate[first : first + ramp] = edge
        gate[first + length - ramp : first + length] = edge[::-1]
    return gate


def _limit_band(random, clip, sample_rate):
    """Remove, in place, what lies above 8 kHz (half of the clips) or below a low frequency (a tenth)."""
    low = random.uniform(0, 300) if random.random() < 0.1 else 0
    high = 8000 if random.random() < 0.5 else sample_rate / 2
    if low == 0 and high >= sample_rate / 2:
        return
    n_fft = scipy.fft.next_fast_len(len(clip), real=True)
    spectrum = scipy.fft.rfft(clip, n_fft)
    frequencies = np.arange(len(spectrum)) * (sample_rate / n_fft)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    clip[:] = scipy.fft.irfft(spectrum, n_fft)[: len(clip)]


_LAYERS = ((_noise, 0.95), (_noise, 0.3), (_harmonics, 0.6), (_harmonics, 0.3), (_impulses, 0.5))
