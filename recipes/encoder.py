"""Train the encoder that comes with the library, by distillation on generated sound alone.

The teacher is EfficientAT's ``mn04_as`` (Schmid, Koutini, Widmer, ICASSP 2023; MIT licence), an audio tagger
trained on AudioSet: the student learns to repeat three of its middle layers on sounds of
:func:`skasd.datasets.make_random_sounds`. No recording is heard. The teacher's weights are needed for this only.

    python recipes/encoder.py --teacher mn04_as_mAP_432.pt --folder outputs/encoder --rounds 80

Sounds come by the thousand, each heard three times in batches of its own. Every thousand has a seed of its own, and
the state is written after each: after a kill the same command goes on where it was, to the same weights. The rate
is constant but for the last rounds (``--decay``), so that a run can be made longer by more ``--rounds`` as long as
it has not begun to fall.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from skasd.datasets import make_random_sounds
from skasd.embedders import PretrainedEmbedder
from skasd.features import LogMelTransformer
from skasd.nn import MachineEncoder

LAYERS = (6, 9, 11)
NAMES = [str(layer) for layer in LAYERS]
N_SOUNDS, N_PASSES = 1000, 3
RATE = 32000
FRONT_END = {
    "sample_rate": RATE,
    "n_fft": 1024,
    "win_length": 800,
    "hop_length": 320,
    "center": False,
    "htk": True,
    "norm": None,
    "fmax": MachineEncoder.fmax,
    "log": "natural",
    "amin": 1e-10,
}


def weights_to_student(n_teacher, n_student, stride):
    """Linear interpolation from the teacher's times to the student's, (n_teacher, n_student)."""
    times = (
        FRONT_END["hop_length"]
        * (MachineEncoder.receptive_field // 2 + MachineEncoder.stride * np.arange(n_student))
        + 512
    ) / (320 * stride)
    rows = np.arange(n_teacher)[:, None]
    return torch.tensor(np.maximum(1 - np.abs(rows - times), 0), dtype=torch.float32)


def examples(n_sounds, seed, duration, front_end, teacher):
    """Log-mels for the student, and the teacher's maps at its times."""
    X = make_random_sounds(n_sounds, duration=duration, sample_rate=RATE, random_state=seed)
    mel = torch.from_numpy(front_end.fit_transform(X))[:, None]
    # what a recording at 16 kHz gives: nothing in the bands that reach beyond 8 kHz
    power = np.abs(np.fft.rfft(X[:, : RATE // 2] * np.hanning(RATE // 2))) ** 2
    quiet = power[:, 4300:].sum(1) < 1e-7 * power.sum(1)
    mel[torch.from_numpy(quiet), :, 103:] = np.log(FRONT_END["amin"])
    n_student = (mel.shape[-1] - MachineEncoder.receptive_field) // MachineEncoder.stride + 1
    targets = []
    for layer, clips in zip(LAYERS, zip(*teacher.maps(X), strict=True), strict=True):
        maps = torch.from_numpy(np.stack(clips))
        targets.append(maps @ weights_to_student(maps.shape[-1], n_student, 8 if layer < 7 else 16))
    return mel, targets


def losses(maps, targets, spreads):
    """Squared error by layer, of single steps and of their mean over time, in units of the teacher's variance."""
    steps, means = [], []
    for map, target, spread in zip(maps, targets, spreads, strict=True):
        difference = (map - target) / spread
        steps.append(difference.square().mean())
        means.append(difference.mean(-1).square().mean())
    return torch.stack(steps), torch.stack(means)


def rate_at(step, n_steps, n_falling, lr):
    """Learning rate: rising over 200 steps, constant, falling to zero by a cosine over the last ones."""
    falling = np.clip((n_steps - step) / n_falling, 0, 1)
    return float(lr * min(1, (step + 1) / 200) * (1 - np.cos(np.pi * falling)) / 2)


def errors_on(student, mel, targets, spreads, batch_size):
    """Errors of single steps and of means, by layer, on sounds that were not trained on."""
    student.eval()
    found = []
    with torch.inference_mode():
        for first in range(0, len(mel), batch_size):
            rows = slice(first, first + batch_size)
            maps = student(mel[rows].to(memory_format=torch.channels_last), NAMES)
            found.append(torch.cat(losses(maps, [target[rows] for target in targets], spreads)))
    values = [round(float(e), 4) for e in torch.stack(found).mean(0)]
    names = [f"error_{name}" for name in NAMES] + [f"error_of_means_{name}" for name in NAMES]
    return dict(zip(names, values, strict=True))


def main():
    """Train, going on from the folder's state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", required=True, help="mn04_as_mAP_432.pt of EfficientAT's release v0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="for the state and the weights")
    parser.add_argument("--rounds", type=int, default=80, help="of 1000 new sounds, each heard three times")
    parser.add_argument("--decay", type=int, default=20, help="rounds at the end with a falling rate")
    parser.add_argument("--batch-size", type=int, default=20, help="clips a step")
    parser.add_argument("--duration", type=float, default=1.92, help="seconds a clip")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    args.folder.mkdir(parents=True, exist_ok=True)
    front_end, teacher = (
        LogMelTransformer(**FRONT_END),
        PretrainedEmbedder("efficientat_mn04", weights=args.teacher, layer=LAYERS, sample_rate=RATE),
    )
    torch.manual_seed(args.seed)
    student = MachineEncoder().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), args.lr, weight_decay=1e-4)
    held_mel, held_targets = examples(400, 2**31 - 1 - args.seed, args.duration, front_end, teacher)
    # every output in units of how much the teacher's differs from sound to sound
    spreads = [maps.std((0, 3), keepdim=True) for maps in held_targets]
    state_file, log_file = args.folder / "state.pt", args.folder / "log.jsonl"
    first = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        student.load_state_dict(state["student"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["round"]

    steps_a_round = N_PASSES * (N_SOUNDS // args.batch_size)
    for number in tqdm(range(first, args.rounds), initial=first, total=args.rounds, unit="round"):
        mel, targets = examples(N_SOUNDS, args.seed * 10**6 + number, args.duration, front_end, teacher)
        order = np.random.default_rng([args.seed, number])
        student.train()
        rows = np.concatenate([order.permutation(N_SOUNDS) for _ in range(N_PASSES)])
        for step in range(steps_a_round):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(
                    number * steps_a_round + step,
                    args.rounds * steps_a_round,
                    args.decay * steps_a_round,
                    args.lr,
                )
            chosen = torch.from_numpy(rows[step * args.batch_size : (step + 1) * args.batch_size])
            maps = student(mel[chosen].to(memory_format=torch.channels_last), NAMES)
            by_step, by_mean = losses(maps, [target[chosen] for target in targets], spreads)
            optimizer.zero_grad(set_to_none=True)
            (by_step.sum() + by_mean.sum()).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
            optimizer.step()
        errors = errors_on(student, held_mel, held_targets, spreads, args.batch_size)
        with log_file.open("a") as log:
            log.write(json.dumps({"round": number + 1, **errors}) + "\n")
        part = state_file.with_suffix(".part")
        state = {"student": student.state_dict(), "optimizer": optimizer.state_dict(), "round": number + 1}
        torch.save(state, part)
        os.replace(part, state_file)

    recipe = {
        "teacher": "EfficientAT mn04_as (Schmid, Koutini, Widmer, ICASSP 2023), MIT licence",
        "data": "skasd.datasets.make_random_sounds",
        **{
            key: str(getattr(args, key))
            for key in ("rounds", "decay", "batch_size", "duration", "lr", "seed")
        },
        **{key: str(value) for key, value in errors_on(student, held_mel, held_targets, spreads, 20).items()},
    }
    tensors = {k: v.contiguous() for k, v in student.state_dict().items() if "num_batches" not in k}
    save_file(tensors, args.folder / "machine_encoder.safetensors", metadata=recipe)
    print(json.dumps(recipe, indent=1))


if __name__ == "__main__":
    main()
