import numpy as np
import pytest
import torch
from torch import nn

from skasd.nn import SoundEventMixing


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(n=400, n_classes=7, generator=None):
    generator = generator or seeded(1)
    x = 40 * torch.rand(n, 1, 6, 5, generator=generator, dtype=torch.float64) - 60
    label = torch.randint(n_classes, (n,), generator=generator)
    return x, nn.functional.one_hot(label, n_classes).double()


def test_powers_of_two_events_add():
    x, y = batch()
    partner = torch.arange(len(x)).flip(0)
    gain = 3.0
    mixed, labels = SoundEventMixing(2, 1.0, (gain, gain))(x, y, generator=seeded(), partner=partner)
    power = 10 ** (x.numpy() / 10)
    expected = 10 * np.log10(power + 10 ** (gain / 10) * power[::-1])
    np.testing.assert_allclose(mixed.numpy(), expected, rtol=1e-12)
    np.testing.assert_array_equal(labels.numpy(), np.maximum(y.numpy(), y.numpy()[::-1]))


def test_log_mel_of_the_sum_of_two_incoherent_sounds():
    # White noise and a tone through a plain power spectrogram, summed as waveforms and as powers.
    rng = np.random.default_rng(0)
    n_fft, n_frames = 64, 2000
    t = np.arange(n_fft * n_frames)
    sounds = np.stack([rng.standard_normal(len(t)), np.sin(0.5 * t + np.cumsum(rng.standard_normal(len(t))))])

    def decibels(wave):
        power = np.abs(np.fft.rfft(wave.reshape(n_frames, n_fft))) ** 2
        return torch.from_numpy(10 * np.log10(power.mean(0)))[None, None, :, None]

    x = torch.cat([decibels(s) for s in sounds])
    mixed, _ = SoundEventMixing(2, 1.0, (-4.0, -4.0))(
        x, torch.eye(2), generator=seeded(), partner=torch.tensor([1, 0])
    )
    expected = decibels(sounds[0] + 10 ** (-4 / 20) * sounds[1])
    assert (mixed[:1] - expected).abs().max() < 0.7  # the cross terms' share, of 2,000 frames
    assert (x[:1] - expected).abs().max() > 0.8


@pytest.mark.parametrize("n_events", [2, 3, 5])
def test_number_of_events_and_share_of_mixtures(n_events):
    # Every clip alone in its own bin at 0 dB: the sounding events are counted from the mixture itself.
    n = 600
    x = torch.full((n, n), -300.0).fill_diagonal_(0.0)
    mixing = SoundEventMixing(n_events, 0.4, (-5.0, 2.0))
    mixed, labels = mixing(x, torch.eye(n), generator=seeded())
    sounding = mixed > -100
    assert torch.equal(sounding, labels > 0)
    assert sounding.diagonal().all()
    count = sounding.sum(1)
    untouched = (mixed == x).all(1)
    assert abs((~untouched).float().mean() - 0.4) < 0.06
    assert ((count > 1) <= ~untouched).all()
    share = torch.bincount(count[count > 1], minlength=n_events + 1)[2:].float()
    assert len(share) == n_events - 1
    assert (share / share.sum() - 1 / (n_events - 1)).abs().max() < 0.12
    gains = mixed[sounding & ~torch.eye(n, dtype=torch.bool)]
    assert -5 <= gains.min() < -4.5
    assert 1.5 < gains.max() <= 2.01


def test_same_generator_same_mixture_and_input_untouched():
    x, y = batch()
    x_before, y_before = x.clone(), y.clone()
    mixing = SoundEventMixing()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, second = (mixing(x, y, generator=seeded(5)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], mixing(x, y, generator=seeded(6))[0])
    assert torch.equal(x, x_before)
    assert torch.equal(y, y_before)


def test_probability_0_changes_nothing_and_silence_stays_finite():
    x, y = batch()
    mixed, labels = SoundEventMixing(p=0.0)(x, y, generator=seeded())
    assert torch.equal(mixed, x)
    assert torch.equal(labels, y)
    loud = torch.tensor([[-1000.0], [400.0]])  # powers that float32 cannot hold
    mixed, _ = SoundEventMixing(2, 1.0)(loud, torch.eye(2), generator=seeded())
    assert mixed.isfinite().all()


def test_settings_are_checked():
    with pytest.raises(ValueError, match="n_events=1"):
        SoundEventMixing(n_events=1)
    with pytest.raises(ValueError, match=r"p=1\.5"):
        SoundEventMixing(p=1.5)
    with pytest.raises(ValueError, match="gain_db"):
        SoundEventMixing(gain_db=(3, -3))
    with pytest.raises(ValueError, match=r"y of shape \(4,\) and torch.int64"):
        SoundEventMixing()(torch.zeros(4, 1, 2, 2), torch.zeros(4, dtype=torch.long), generator=seeded())
