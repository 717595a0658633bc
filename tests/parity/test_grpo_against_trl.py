"""Our policy losses and their gradients beside those of TRL's GRPOTrainer, on the same batch."""

import warnings

import pytest
import torch

from modicum.made import Average, Policy
from modicum.model import resolve_backend
from modicum.task import resolve_task
from modicum.training.policy import (
    advantages,
    kl_terms,
    policy_loss,
    ratio_terms,
)
from modicum.training.rollouts import RolloutRow, batch_rows
from modicum.training.scoring import score

trl = pytest.importorskip("trl", reason="trl is an extra of development")
datasets = pytest.importorskip("datasets")

LONGEST, TEMPERATURE = 12, 0.7
REWARDS = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


@pytest.fixture(scope="module")
def rows(organism) -> list[RolloutRow]:
    """Two groups of four made-up completions with GRPO's advantages."""
    generator = torch.Generator().manual_seed(5)
    earned = advantages(REWARDS, "group")
    prompts = [p.question for p in resolve_task("row_pushes").problems("shots", 1)]
    prompts += [p.question for p in resolve_task("word_sums").problems("shots", 1)]
    return [
        RolloutRow(
            tuple(organism.encode(prompt)),
            tuple(
                torch.randint(
                    3, 60, (int(torch.randint(2, LONGEST + 1, (1,), generator=generator)),),
                    generator=generator,
                ).tolist()
            ),
            float(advantage),
        )
        for prompt, line in zip(prompts, earned, strict=True)
        for advantage in line
    ]  # fmt: skip


def trainer(organism, tmp_path, loss_type: str, kl: float):
    """TRL's trainer on the same weights, as its own configuration builds it."""
    # with a divergence TRL reads the reference by path, so the model goes to a folder
    organism.module.save_pretrained(tmp_path / "model")
    organism.tokenizer.save_pretrained(tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = trl.GRPOConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=LONGEST,
            temperature=TEMPERATURE,
            loss_type=loss_type,
            # dr_grpo does not turn the division off by itself
            scale_rewards="none" if loss_type == "dr_grpo" else "group",
            beta=kl,
            use_bias_correction_kl=False,
            epsilon=0.2,
            epsilon_high=0.28,
            report_to=[],
        )
        made = trl.GRPOTrainer(
            model=str(tmp_path / "model"),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=settings,
            train_dataset=datasets.Dataset.from_dict({"prompt": ["Ann"] * 8}),
        )
    made.current_gradient_accumulation_steps = 1
    return made


@pytest.mark.parametrize("average", ["grpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("kl", [0.0, 0.05])
def test_loss_and_gradients_are_trls(organism, rows, tmp_path, average: Average, kl: float) -> None:
    batch = batch_rows(rows, torch.device("cpu"))
    noise = torch.randn(batch.tokens.shape, generator=torch.Generator().manual_seed(1))
    theirs = trainer(organism, tmp_path, average, kl)
    module = theirs.model.float().train()
    with torch.no_grad():
        now = score(module, batch, TEMPERATURE).logprobs
    old, reference = now + 0.3 * noise, now - 0.2 * noise
    inputs = {
        "prompt_ids": batch.prompts[batch.which],
        "prompt_mask": batch.known[batch.which],
        "completion_ids": batch.tokens,
        "completion_mask": batch.counted.long(),
        "advantages": batch.advantage,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": batch.counted.sum(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs._compute_loss(module, inputs)
    wanted.backward()
    gradients = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    module.zero_grad(set_to_none=True)

    policy = Policy(average=average, clip=0.2, clip_high=0.28, kl=kl)
    new = score(module, batch, TEMPERATURE).logprobs
    terms = ratio_terms(new, old, batch.advantage, policy) + kl * kl_terms(new, reference)
    ours = policy_loss(
        terms,
        batch.counted,
        batch.weight,
        policy,
        rows=len(rows),
        tokens=float(batch.counted.sum()),
        longest=LONGEST,
    )
    ours.backward()
    assert float(ours.detach()) == pytest.approx(float(wanted.detach()), abs=1e-5)
    assert gradients
    whole = torch.cat([gradients[n].flatten() for n in gradients])
    found = torch.cat([p.grad.flatten() for n, p in module.named_parameters() if n in gradients])
    assert float((found - whole).norm() / whole.norm()) < 1e-5
