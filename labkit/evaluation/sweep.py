"""Error rates and decoder calls of partially autoregressive decoding."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import DataLoader

from labkit.evaluation.figures import plot_thresholds
from labkit.evaluation.posteriors import score_batch
from labkit.evaluation.setup import Setup
from labkit.evaluation.tables import FoldReport
from labkit.figures import save_figure

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


def sweep_thresholds(setup: Setup, loader: DataLoader) -> None:
    """Print and draw the scores of a fold for many values of --par_threshold."""
    args = setup.args
    reports = [FoldReport(f"{threshold:g}") for threshold in THRESHOLDS]
    searches = [
        setup.make_search("par", None, par_threshold=threshold)
        for threshold in THRESHOLDS
    ]
    for batch in setup.encode_fold(loader):
        for report, search in zip(reports, searches):
            score_batch(report, search, batch, setup.alphabet, setup.frame_seconds)
    print("--par_threshold      CER      WER   calls/batch   ms/utt.")
    for report in reports:
        print(
            f"{report.decoder:>15}  {report.cer!s:>7}  {report.wer!s:>7} "
            f"{report.calls_per_batch:13.1f} {report.decoding_ms:9.1f}"
        )
    figure = plot_thresholds(
        THRESHOLDS,
        [(report.cer.rate, report.wer.rate) for report in reports],
        [report.calls_per_batch for report in reports],
        f"partially autoregressive decoding, {args.fold} fold",
    )
    save_figure(figure, Path(args.baselogdir, "figures", "sweep_par.png"))
