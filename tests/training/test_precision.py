"""Properties of numbers: where bfloat16 is, and updates that are not made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import main_ctc
import pytest
import torch
from data import CharMap
from helpers.runs import run_on, small_model, take_step
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from labkit.base.errors import LabError
from labkit.training.averaging import EpochWeights, refresh_batchnorm
from labkit.training.guard import SkippedUpdates, UpdateGuard
from labkit.training.precision import use_bfloat16
from labkit.training.run import Run
from labkit.training.schedules import make_scheduler, step_epoch

CHARMAP = CharMap()
CPU = torch.device("cpu")


def minibatch(text: str = "ab", n_frames: int = 60) -> main_ctc.Minibatch:
    """Make a minibatch of two utterances of noise."""
    torch.manual_seed(1)
    inputs = [torch.randn(n_frames, 20), torch.randn(80, 20)]
    targets = [torch.tensor(CHARMAP.encode(t)) for t in (text, "c")]
    return tuple(pack_sequence(s, enforce_sorted=False) for s in (inputs, targets))


def losses_of_steps(run: Run, n_steps: int) -> list[float]:
    """Take steps on the one minibatch of a run; return the mean loss of each."""
    losses = []
    for epoch in range(1, n_steps + 1):
        for batch in run.minibatches(epoch):
            step = take_step(run, batch)
            run.count(step, batch)
            losses.append(step[0].mean().item())
    return losses


@pytest.mark.parametrize("cell_type", ["GRU", "LSTM"])
def test_convolutions_and_linear_layers_alone_are_in_bfloat16(
    cell_type: str, tmp_path: Path
) -> None:
    model, types = small_model(cell_type), {}
    keys, forward = set(model.state_dict()), model.rnn.forward

    def noting(inputs: PackedSequence, *state: torch.Tensor) -> tuple:
        output, state = forward(inputs, *state)
        types[nn.RNNBase] = inputs.data.dtype, output.data.dtype
        return output, state

    model.rnn.forward = noting

    def note(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        types[type(layer)] = inputs[0].dtype, output.dtype

    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(note)
    options = ("--amp", "--base_lr", 1e-2)
    run = run_on([minibatch()], tmp_path, *options, model=model)
    losses = losses_of_steps(run, 20)
    assert types[nn.Conv2d][1] == types[nn.Linear][1] == torch.bfloat16
    assert types[nn.RNNBase] == (torch.float32, torch.float32)
    assert run.network(minibatch()[0]).data.dtype == torch.float32
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())
    assert losses[-1] < losses[0] / 2
    assert set(model.state_dict()) == keys
    assert not torch.is_autocast_enabled("cpu")


def test_bfloat16_scores_are_those_of_float32_to_its_precision() -> None:
    one, other = small_model().eval(), small_model().eval()
    use_bfloat16(other, CPU)
    inputs = minibatch()[0]
    with torch.inference_mode():
        full, half = one(inputs).data, other(inputs).data
    assert not torch.equal(full, half)
    torch.testing.assert_close(half, full, rtol=0.05, atol=0.05)


# ---- updates that are refused


def state_of(run: Run) -> list[torch.Tensor]:
    moments = run.optimizer.state_dict()["state"].values()
    figures = [value for one in moments for value in one.values()]
    return [v.clone() for v in (*run.model.state_dict().values(), *figures)]


@pytest.mark.parametrize("diverged", [True, False])
def test_a_gradient_that_is_not_finite_changes_nothing(
    diverged: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if diverged:
        inputs, targets = minibatch()
        broken = inputs._replace(data=inputs.data * torch.nan), targets
    else:
        broken = minibatch("a text too long for so few frames", 60)
    run = run_on([minibatch(), broken, minibatch()], tmp_path)
    states, passed, finite = [], [], []
    for batch in run.minibatches(1):
        states.append(state_of(run))  # after the step before
        losses, penalty, scores = take_step(run, batch)
        passed.append(run.guard.passed)
        finite.append(bool(losses.isfinite().all()))
        run.count((losses, penalty, scores), batch)
    assert passed == finite == [True, False, True] and run.skipped.total == 1
    does_not_fit = "transcript that does not fit" in capsys.readouterr().out
    assert does_not_fit != diverged
    _, before, after = states
    assert len(before) == len(after)
    assert all(torch.equal(a, b) for a, b in zip(before, after))
    assert not all(torch.equal(a, b) for a, b in zip(after, state_of(run)))


def test_a_gradient_that_overflows_changes_nothing_though_the_loss_is_finite() -> None:
    layer = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    guard, before = UpdateGuard(layer, optimizer), layer.weight.clone()
    for factor, passed in ((1e38, False), (1.0, True)):
        with guard:
            optimizer.zero_grad()
            (layer(torch.ones(1, 1)) * factor).sum().backward()
            layer.weight.grad *= factor
            optimizer.step()
        assert guard.passed is passed and torch.equal(layer.weight, before) != passed


def test_refusals_in_a_row_end_the_run_and_single_ones_do_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusals = SkippedUpdates()
    for _ in range(20):
        for _ in range(4):
            refusals.refused(True, 1, "x is usable")
        refusals.accepted()
    assert refusals.total == 80
    assert len(capsys.readouterr().out.splitlines()) == 1
    for diverged, remedy in ((True, "base_lr"), (False, "E07")):
        refusals.accepted()
        with pytest.raises(LabError, match="5 minibatches in a row; x is") as error:
            for _ in range(5):
                refusals.refused(diverged, 7, "x is usable")
        assert "not finite in epoch 7" in error.value.cause
        assert remedy in error.value.remedy


# ---- averages


def test_the_mean_of_weights_is_that_of_the_last_epochs(tmp_path: Path) -> None:
    layer, average = nn.BatchNorm1d(2), EpochWeights(tmp_path, 3)
    for epoch in range(1, 6):
        nn.init.constant_(layer.weight, float(epoch**2))
        layer.num_batches_tracked.fill_(epoch)
        average.keep(epoch, layer)
    assert len(list(tmp_path.iterdir())) == 3
    mean = average.mean(5)
    assert mean["weight"].tolist() == pytest.approx([(9 + 16 + 25) / 3] * 2)
    assert mean["num_batches_tracked"] == 5
    layer.load_state_dict(mean)
    average.remove()
    assert not list(tmp_path.iterdir())


def test_statistics_are_measured_with_the_weights_there_are() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    batches = [(torch.randn(50, 3),) for _ in range(4)]
    refresh_batchnorm(model, [batches[0], None, *batches[1:]], CPU)
    with torch.no_grad():
        features = [model[0](x) for (x,) in batches]
    mean = torch.stack([f.mean(0) for f in features]).mean(0)
    variance = torch.stack([f.var(0) for f in features]).mean(0)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, variance)


# ---- plateau


def test_the_rate_is_halved_where_nothing_is_gained_and_remembers_so() -> None:
    def make() -> torch.optim.lr_scheduler.LambdaLR:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        return make_scheduler("plateau", optimizer, 20)

    def rate_after(scheduler: SimpleNamespace, cer: float) -> float:
        step_epoch(scheduler, cer)
        scheduler.optimizer.step()
        scheduler.step()
        return scheduler.optimizer.param_groups[0]["lr"]

    scheduler, rates = make(), []
    for cer in (0.9, 0.5, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4):
        rates.append(rate_after(scheduler, cer))
    assert rates == [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    again = make()
    again.load_state_dict(scheduler.state_dict())
    again.optimizer.load_state_dict(scheduler.optimizer.state_dict())
    assert rate_after(again, 0.4) == rate_after(scheduler, 0.4) == 0.125
    step_epoch(None, 0.5)
