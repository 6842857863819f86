"""The synthetic machine that runs on."""

import numpy as np
import pytest

from skasd.datasets import make_machine_stream
from skasd.datasets._running_rotor import RunningRotor


def sound(seconds, **parameters):
    return np.concatenate(list(make_machine_stream(seconds, random_state=0, **parameters)))


def test_blocks_join_without_a_seam():
    blocks = list(make_machine_stream(4.3, block=1.0, random_state=0))
    assert [len(block) for block in blocks] == [16000] * 4 + [4800]
    assert all(block.dtype == np.float32 and np.abs(block).max() <= 1 for block in blocks)
    steps = np.abs(np.diff(np.concatenate(blocks)))
    assert steps[15999::16000].max() < np.percentile(steps, 99.9)
    assert np.array_equal(np.concatenate(blocks), sound(4.3, block=1.0))
    other = np.concatenate(list(make_machine_stream(4.3, block=1.0, random_state=1)))
    assert not np.array_equal(np.concatenate(blocks), other)


@pytest.mark.parametrize("fault", ["bearing", "gear", "imbalance", "looseness"])
def test_faults_grow_and_the_healthy_part_is_the_same(fault):
    healthy, faulty = sound(9.0), sound(9.0, fault=fault, onset=2.0, growth=4.0)
    difference = (faulty - healthy).reshape(9, -1).std(axis=1)
    assert difference[:2].max() == 0
    assert 0 < difference[2] < 0.5 * difference[5] < difference[8]
    half = sound(9.0, fault=fault, severity=0.5, onset=2.0, growth=4.0)
    assert (half - healthy)[-16000:].std() == pytest.approx(0.5 * difference[8], rel=0.02)
    at_once = sound(3.0, fault=fault, onset=1.0, growth=0.0) - sound(3.0)
    assert at_once[:16000].std() == 0
    assert at_once[16000:].std() > 0.5 * difference[8]


def test_it_sounds_the_same_after_a_week():
    """The fraction of a revolution is not lost in the sum of all."""
    rotor = RunningRotor("gearbox", 16000, 0, wander=0.0, snr=6.0)
    early = rotor.run(64_000, None, None)
    rotor.revolutions += 7 * 24 * 3600 * 40
    late = rotor.run(64_000, None, None)

    def peak(sound):
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        return power.max() / np.median(power)

    assert peak(late) == pytest.approx(peak(early), rel=0.3)


def test_load_and_speed_wander():
    def levels(wander):
        return [
            20 * np.log10(part.std())
            for part in make_machine_stream(300, sample_rate=2000, wander=wander, random_state=0)
        ]

    assert np.ptp(levels(1.0)) > 2 * np.ptp(levels(0.0))


def test_wrong_parameters():
    with pytest.raises(ValueError, match="'fault' parameter of make_machine_stream"):
        make_machine_stream(1.0, fault="rust")
    with pytest.raises(ValueError, match="'seconds' parameter"):
        make_machine_stream(0)
