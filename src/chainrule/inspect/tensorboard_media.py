"""The media of a `SummaryWriter`: pictures, sounds, embeddings and curves of classifiers.

Each method has PyTorch's arguments, which may be tensors or arrays. Pictures need Pillow, figures
matplotlib, videos moviepy and sounds soundfile: an error names the missing one.
Example: `writer.add_image("attention", weights, step, dataformats="HW")`.
May import `base`.
Source: https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, MissingImportError

_Step = int | None
_Time = float | None


class Media:
    """The base of `SummaryWriter`: everything except numbers, texts and graphs."""

    _writer: Any

    def _add(self, method: str, package: str | None, *args: Any, **kwargs: Any) -> None:
        """Call tensorboardX's method of this name on arrays; it needs `package`."""
        if package is not None and importlib.util.find_spec(_IMPORTED[package]) is None:
            raise MissingImportError(f"{method} needs {package}: pip install {package}")
        given = {name: _array(value) for name, value in kwargs.items()}
        getattr(self._writer, method)(*map(_array, args), **given)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: _Step = None, walltime: _Time = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """Add a picture: floats from 0 to 1 or uint8, its axes in the order of `dataformats`."""
        self._add("add_image", "pillow", tag, img_tensor, global_step, walltime, dataformats)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: _Step = None, walltime: _Time = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """Add pictures side by side: floats from 0 to 1 or uint8."""
        self._add("add_images", "pillow", tag, img_tensor, global_step, walltime, dataformats)

    def add_image_with_boxes(
        self, tag: str, img_tensor: Any, box_tensor: Any, global_step: _Step = None,
        walltime: _Time = None, rescale: float = 1, dataformats: str = "CHW",
        labels: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        """Add a picture with rectangles (N, 4): xmin, ymin, xmax, ymax in pixels."""
        self._add(
            "add_image_with_boxes", "pillow", tag, img_tensor, box_tensor, global_step, walltime,
            dataformats, None if labels is None else list(labels), rescale=rescale,
        )  # fmt: skip

    def add_figure(
        self, tag: str, figure: Any, global_step: _Step = None, close: bool = True,
        walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add a figure of matplotlib, or a list of them, as pictures; `close` frees them."""
        self._add("add_figure", "matplotlib", tag, figure, global_step, close, walltime)

    def add_video(
        self, tag: str, vid_tensor: Any, global_step: _Step = None, fps: float = 4,
        walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add a video of frames (N, T, C, H, W): uint8, or floats from 0 to 1."""
        self._add("add_video", "moviepy", tag, vid_tensor, global_step, fps, walltime)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: _Step = None, sample_rate: int = 44100,
        walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add a sound (1, L) or (L): amplitudes from -1 to 1, `sample_rate` of them a second."""
        self._add("add_audio", "soundfile", tag, snd_tensor, global_step, sample_rate, walltime)

    def add_embedding(
        self, mat: Any, metadata: Sequence[Any] | None = None, label_img: Any = None,
        global_step: _Step = None, tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        """Add points (N, D) for TensorBoard's projector, each with a label and a square picture."""
        points = np.asarray(mat)
        if points.ndim != 2:
            raise ArgumentError(f"add_embedding takes one row per point, not shape {points.shape}")
        for name, given in (("metadata", metadata), ("label_img", label_img)):
            if given is not None and len(given) != len(points):
                raise ArgumentError(
                    f"add_embedding: {name} has {len(given)} entries for {len(points)} points"
                )
        package = None if label_img is None else "pillow"
        self._add(
            "add_embedding", package, points, metadata, label_img, global_step, tag,
            metadata_header,
        )  # fmt: skip

    def add_pr_curve(
        self, tag: str, labels: Any, predictions: Any, global_step: _Step = None,
        num_thresholds: int = 127, weights: Any = None, walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add precision over recall: `labels` are 0 or 1, `predictions` probabilities of 1."""
        self._add(
            "add_pr_curve", None, tag, labels, predictions, global_step, num_thresholds, weights,
            walltime,
        )  # fmt: skip

    def add_pr_curve_raw(
        self, tag: str, true_positive_counts: Any, false_positive_counts: Any,
        true_negative_counts: Any, false_negative_counts: Any, precision: Any, recall: Any,
        global_step: _Step = None, num_thresholds: int = 127, weights: Any = None,
        walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add counted precision over recall, one value per threshold."""
        self._add(
            "add_pr_curve_raw", None, tag, true_positive_counts, false_positive_counts,
            true_negative_counts, false_negative_counts, precision, recall, global_step,
            num_thresholds, weights, walltime,
        )  # fmt: skip

    def add_mesh(
        self, tag: str, vertices: Any, colors: Any = None, faces: Any = None,
        config_dict: Mapping[str, Any] | None = None, global_step: _Step = None,
        walltime: _Time = None,
    ) -> None:  # fmt: skip
        """Add points (B, N, 3) in space, with colours (B, N, 3) and triangles (B, M, 3)."""
        self._add(
            "add_mesh", None, tag, vertices, colors, faces, config_dict, global_step, walltime
        )

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Any]]) -> None:
        """Group curves in charts: {category: {title: ["Multiline" or "Margin", tags]}}."""
        self._add("add_custom_scalars", None, layout)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add one chart with the curves of `tags`."""
        self._add("add_custom_scalars_multilinechart", None, list(tags), category, title)

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add one chart with a curve between two others: three `tags`."""
        if len(tags) != 3:
            raise ArgumentError(f"a margin chart has 3 tags, not {len(tags)}")
        self._add("add_custom_scalars_marginchart", None, list(tags), category, title)


_IMPORTED = {  # the module to import for each package
    "pillow": "PIL", "matplotlib": "matplotlib", "moviepy": "moviepy", "soundfile": "soundfile",
}  # fmt: skip


def _array(value: Any) -> Any:
    """The array of a tensor; other objects unchanged."""
    return np.asarray(value) if hasattr(value, "requires_grad") else value
