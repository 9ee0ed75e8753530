"""Whether this CPU's bfloat16 weight gradients are right for the convolutions of a network.

oneDNN's are not, on CPUs with AVX-512 bfloat16, for kernels 3 deep, without a stride along z, on what is 2 deep: they
hold whatever was in the memory before, up to 1e38. Plans avoid such shapes; --config may ask for them.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from model.network.placement import memory_format
from model.network.plan import NetworkPlan, Triple, triple
from model.network.unet import Conv, UNet
from model.terminal import log
from training.run.plan import TrainPlan
from training.run.processes import Processes
from training.run.state import State

# Of the float32 gradient's norm. Rounding the factors to bfloat16's 8 bits gives 0.002 to 0.005 whatever the shape, as
# errors of many products cancel; what is wrong is off by 0.6 or more.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Layer:
    """A convolution and the size (z, y, x) of what it works on."""

    in_channels: int
    out_channels: int
    kernel: Triple
    stride: Triple
    transposed: bool
    size: Triple

    def __str__(self) -> str:
        kernel, size = ("x".join(map(str, sides)) for sides in (self.kernel, self.size))
        return f"{kernel} on {size} voxels with {self.in_channels} channels"


def settle_precision(state: State, plan: TrainPlan, team: Processes) -> None:
    """Train in float32 from now on where a gradient in bfloat16 is wrong on any process's CPU; one line says so."""
    if team.device.type != "cpu":
        return
    fact = wrong_gradient(plan) if state.dtype == torch.bfloat16 else ""
    (wrong,) = team.largest(bool(fact))
    if wrong:
        state.dtype = torch.float32
        if team.first:
            log(
                f"warning: gradients in bfloat16 are wrong on this CPU ({fact or 'of another process'}); training in "
                "float32, which takes longer and more memory; a patch that is deeper at that stage avoids it"
            )


def wrong_gradient(plan: TrainPlan) -> str:
    """The first layer whose gradient in bfloat16 on this CPU is wrong, and by how much; empty if there is none."""
    for data in (plan.data, plan.late) if plan.late else (plan.data,):
        for layer in layers(data.network, data.patch_zyx):
            error = gradient_error(layer, data.batch)
            if not error <= TOLERANCE:  # NaN is wrong, too
                return f"convolution {layer}: off by {100 * error:.3g} %"
    return ""


def layers(plan: NetworkPlan, patch_zyx: Triple) -> list[Layer]:
    """Every distinct convolution of the network on that patch, the smallest ones first. Nothing is computed."""
    sizes = [patch_zyx]  # of what a stage works on before its stride; the last stage's result comes last
    for stride in plan.strides:
        sizes.append(triple(n // s for n, s in zip(sizes[-1], stride, strict=True)))
    with torch.device("meta"):
        network = UNet(plan)
    found = set()
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            part, kind, number = name.split(".")[:3]
            transposed = kind == "transpconvs"
            if kind == "stem":
                level = 0
            elif part == "encoder":
                level = int(number) + (triple(module.stride) == (1, 1, 1))
            else:
                level = len(plan.features) - 1 - int(number) + transposed
            kernel, stride = triple(module.kernel_size), triple(module.stride)
            found.add(
                Layer(module.in_channels, module.out_channels, kernel, stride, transposed, sizes[level])
            )
    return sorted(found, key=lambda layer: (prod(layer.size), str(layer)))


def gradient_error(layer: Layer, batch: int) -> float:
    """Of the weights' gradient in bfloat16 on the CPU: norm of its difference to float32's, as a share of that one's.

    The input and the gradient that comes from above are noise, always the same.
    """
    cpu = torch.device("cpu")
    order, noise = memory_format(cpu, exact=False), torch.Generator().manual_seed(0)
    images = torch.randn(batch, layer.in_channels, *layer.size, generator=noise)
    kind = nn.ConvTranspose3d if layer.transposed else Conv
    shape = (layer.in_channels, layer.out_channels, layer.kernel, layer.stride)
    with torch.random.fork_rng(devices=[]):  # a run's own random numbers stay as they are
        convolution = kind(*shape).to(memory_format=order)  # type: ignore[call-overload,arg-type]
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        convolution.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = convolution(images.to(memory_format=order))
        above = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
        output.backward(above.to(output.dtype).to(memory_format=order))
        gradients.append(convolution.weight.grad.double())
    exact, rounded = gradients
    return float((rounded - exact).norm() / exact.norm())
