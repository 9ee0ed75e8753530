"""What one training run does."""

from dataclasses import asdict, dataclass
from typing import Any

from training.data.augment import Augmentation
from training.data.patches import Sampling
from training.data.plans import DataPlan
from training.run.loss import LossPlan

# Iterations, as in nnU-Net. After each epoch, or after a tenth of the run where that is shorter, comes a line.
EPOCH = 250
LINES = 10
# The learning rate rises over so many iterations, or over that share of the run where that is shorter.
WARM_UP, WARM_UP_SHARE = 50, 0.05
# Of the polynomial by which the learning rate falls.
POWER = 0.9


@dataclass(frozen=True)
class TrainPlan:
    """What one run does, for so many iterations or, where that is None, minutes (all resumed parts together)."""

    data: DataPlan
    iterations: int | None
    minutes: float | None = None
    optimiser: str = "sgd"
    learning_rate: float = 1e-2
    weight_decay: float = 3e-5
    seed: int = 0
    loss: LossPlan = LossPlan()
    augmentation: Augmentation = Augmentation()
    sampling: Sampling = Sampling()
    names: tuple[str, ...] = ()  # of the cases, in their order
    held_out: tuple[str, ...] = ()  # names of those not trained on but scored
    late: DataPlan | None = None  # with larger patches, for the last sampling.late_share of the iterations

    def data_at(self, iteration: int) -> DataPlan:
        """The patches and batch of an iteration: of its number alone, so that a resumed run has the same."""
        if self.late is None or not self.iterations:
            return self.data
        return self.late if iteration >= self.iterations * (1 - self.sampling.late_share) else self.data

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same where a run goes on, as plain values. Its length and learning rate may change."""
        return {
            "network and patch": [asdict(self.data.network), list(self.data.patch_zyx), self.data.batch],
            "preprocessing": [list(self.data.spacing_zyx), [asdict(n) for n in self.data.normalisation]],
            "optimiser": self.optimiser,
            "loss": asdict(self.loss),
            "seed": self.seed,
            "recipe": [asdict(self.augmentation), asdict(self.sampling)],
            "cases or fold": list(self.names),
            "held-out cases": list(self.held_out),
        }

    def differs_in(self, saved: dict[str, Any]) -> str | None:
        """What of it is not as in the identity of a run that was saved; None where all is.

        What an older version did not know, and so did not save, was as its default is now.
        """
        usual = asdict(LossPlan()), asdict(Augmentation()), asdict(Sampling())
        for what, value in self.identity.items():
            theirs = saved.get(what)
            if what == "loss" and isinstance(theirs, dict):
                theirs = usual[0] | theirs
            if what == "recipe" and isinstance(theirs, list) and list(map(type, theirs)) == [dict, dict]:
                theirs = [usual[1] | theirs[0], usual[2] | theirs[1]]
            if theirs != value:
                return what
        return None

    def share_done(self, iteration: int, seconds: float) -> float:
        """How much of the run is done, 0 to 1."""
        if self.iterations:
            return iteration / self.iterations
        return seconds / (60 * (self.minutes or 0))

    def learning_rate_at(self, iteration: int, share_done: float) -> float:
        """It falls polynomially over the run, after a short rise."""
        warm = min(1.0, max((iteration + 1) / WARM_UP, share_done / WARM_UP_SHARE))
        return self.learning_rate * max(0.0, 1 - share_done) ** POWER * warm
