"""Hidden states of the audio models of the package ``transformers``."""

import math
import os
import warnings

import numpy as np
import torch

from ._encoders import Encoder, Layer, mel_edges


class HiddenStates(Encoder):
    """An audio model in a local folder, as ``save_pretrained`` writes it, with its feature extractor.

    Of an audio spectrogram transformer the patches are put back to where they are in time and frequency; of
    other models a hidden state is a series of vectors over time.
    """

    min_seconds = 0.1
    most_seconds = 10.24  # 1024 frames, as long as the clips that audio spectrogram transformers know

    def __init__(self, path, layers, *, sample_rate):
        try:
            import transformers
        except ImportError as error:
            raise ImportError(
                "encoder='transformers' needs the package transformers: pip install skasd[pretrained]"
            ) from error
        options = {"local_files_only": True, "trust_remote_code": False}
        had_bars = transformers.logging.is_progress_bar_enabled()
        transformers.logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():  # of a narrow band without a bin, which its authors' filters have
                warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
                self.extractor = transformers.AutoFeatureExtractor.from_pretrained(path, **options)
            model = transformers.AutoModel.from_pretrained(path, weights_only=True, **options)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"weights={os.fspath(path)!r} is not a folder of an audio model of transformers (config.json, "
                f"preprocessor_config.json and the weights, as save_pretrained writes them): {error}"
            ) from error
        finally:
            if had_bars:
                transformers.logging.enable_progress_bar()
        self.network = (model.get_encoder() if model.config.is_encoder_decoder else model).eval()
        self.sample_rate = self.extractor.sampling_rate
        self.is_patches = model.config.model_type == "audio-spectrogram-transformer"
        states = self._states(np.zeros(self.sample_rate, np.float32))
        if any(state.ndim != 3 for state in states):
            raise ValueError(
                f"weights={os.fspath(path)!r}: the hidden states of {type(model).__name__} have the shape "
                f"{tuple(states[0].shape)}, not (1, n_steps, n_channels); such models are not supported."
            )
        known = [str(number) for number in range(len(states))]
        if unknown := set(layers) - set(known):
            raise ValueError(
                f"layer has {', '.join(unknown)}: the model in {os.fspath(path)!r} has the hidden states "
                f"{', '.join(known)}."
            )
        self.wanted = layers or (str(len(states) // 2),)
        self.numbers = [int(name) for name in self.wanted]
        maps = self._maps_of_piece(np.zeros(self.sample_rate, np.float32))
        self.layers = [Layer(len(m), self._frequencies()) for m in maps]

    def _maps_of_piece(self, waveform):
        states = self._states(waveform)
        maps = [states[number][0].T for number in self.numbers]
        if not self.is_patches:
            # Whisper's extractor fills up with zeros to 30 s
            heard = min(1.0, len(waveform) / getattr(self.extractor, "n_samples", len(waveform)))
            return [m[:, None, : math.ceil(heard * m.shape[1])] for m in maps]
        config = self.network.config
        n_positions, n_steps = (
            1 + (size - config.patch_size) // stride
            for size, stride in (
                (config.num_mel_bins, config.frequency_stride),
                (config.max_length, config.time_stride),
            )
        )
        # of the patches that hold sound to their middle: behind it the extractor fills up with zeros
        n_frames = 1 + (len(waveform) - 400) // 160
        n_heard = min(max(1, 1 + (n_frames - config.patch_size // 2 - 1) // config.time_stride), n_steps)
        n_own = maps[0].shape[1] - n_positions * n_steps  # tokens that are no patches stand first
        return [m[:, n_own:].unflatten(1, (n_positions, n_steps))[..., :n_heard] for m in maps]

    def _states(self, waveform):
        inputs = self.extractor(waveform, sampling_rate=self.sample_rate, return_tensors="pt")
        with torch.inference_mode():
            states = self.network(**inputs.to(self.device), output_hidden_states=True).hidden_states
        return [state.cpu() for state in states]

    def _frequencies(self):
        if not self.is_patches:
            return None
        config = self.network.config
        centres = mel_edges(config.num_mel_bins, 20, self.sample_rate / 2, htk=True)[1:-1]
        first = np.arange(0, config.num_mel_bins - config.patch_size + 1, config.frequency_stride)
        return np.array([centres[a : a + config.patch_size].mean() for a in first])
