"""The 3D U-Net, built from a plan of plain values.

Topology and parameter names follow nnU-Net's PlainConvUNet and ResidualEncoderUNet (Isensee et al., Nature Methods
2021; Isensee et al., MICCAI 2024), so that its checkpoints map one to one: each stage is a stack of [conv 3D → instance
norm → leaky ReLU 0.01], the first convolution of an encoder stage is strided, the decoder goes up by transposed
convolution and concatenates the skip. Both kinds are trained, and come with imported weights.
All tensors are (batch, channel, z, y, x); kernels and strides are (z, y, x).

Where no gradients are wanted, what is not needed any more is written over or given back at once (see slabs.py).
"""

import torch
from torch import Tensor, nn

from model.network.plan import NetworkPlan, Triple
from model.network.slabs import Planes, convolve_over, fits_slabs, risen

# Number formats in which oneDNN's convolutions run here.
ONEDNN = [torch.float32] if torch.backends.mkldnn.is_available() else []
if ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported():  # it refuses bfloat16 without AVX-512
    ONEDNN.append(torch.bfloat16)


class Conv(nn.Conv3d):
    """A convolution that keeps its size at stride 1 (odd kernels). On CPUs always oneDNN's: for few channels or voxels
    torch would take its own, which is two to three times slower and lays its output out anew."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple, *, bias: bool = True
    ) -> None:
        z, y, x = ((k - 1) // 2 for k in kernel)
        super().__init__(in_channels, out_channels, kernel, stride, padding=(z, y, x), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.padding)  # type: ignore[arg-type]

    def padded(self, x: Tensor, padding: Triple) -> Tensor:
        """With zeros around it, as many as padding says (z, y, x)."""
        suits_onednn = x.device.type == "cpu" and x.dtype == self.weight.dtype and x.dtype in ONEDNN
        if not suits_onednn or torch.is_autocast_enabled("cpu"):
            return nn.functional.conv3d(x, self.weight, self.bias, self.stride, padding)
        geometry = (padding, self.stride, self.dilation, self.groups)
        return torch.mkldnn_convolution(x, self.weight, self.bias, *geometry)  # type: ignore[arg-type]

    def over(self, x: Tensor, planes: Planes | None = None) -> Tensor:
        """The same in the place of x, where that can be: of x, or of what the planes are, which x may be a part of."""
        if not fits_slabs(x, self):
            return self(planes(0, x.shape[2]) if planes else x)
        padding = (0, *self.padding[1:])
        return convolve_over(
            x,
            self.kernel_size[0],
            lambda slab: self.padded(slab, padding),  # type: ignore[arg-type]
            planes or (lambda start, stop: x[:, :, start:stop]),
        )


class InstanceNorm(nn.InstanceNorm3d):
    """Instance norm, eps 1e-5, affine. For one image it is batch norm over that image, which, unlike torch's instance
    norm, leaves a channels-last tensor as it is; no copies then lie between the convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return nn.functional.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        unused = (self.weight.new_empty(0), self.weight.new_empty(0))  # means and deviations
        options = (self.weight, self.bias, None, None, True, 0.0, self.eps)
        torch.native_batch_norm(x, *options, out=(x, *unused))
        return x


class AveragePool(nn.AvgPool3d):
    """torch has none for bfloat16 on CPUs: there in float32."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.bfloat16 and x.device.type == "cpu":
            return super().forward(x.float()).to(x.dtype)
        return super().forward(x)


class ConvNormAct(nn.Module):
    """conv 3D → instance norm (eps 1e-5, affine) → leaky ReLU 0.01; odd kernels, size kept at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, kernel, stride)
        self.norm = InstanceNorm(out_channels)
        self.act = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor, *, spent: bool = False, planes: Planes | None = None) -> Tensor:
        """spent: x is not needed any more. planes: what is convolved, if it is not x alone."""
        return self.act(self.norm(self.conv.over(x, planes) if spent else self.conv(x)))


class ConvNorm(nn.Module):
    """conv 3D → instance norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple, *, bias: bool
    ) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, kernel, stride, bias=bias)
        self.norm = InstanceNorm(out_channels)

    def forward(self, x: Tensor, *, spent: bool = False) -> Tensor:
        """spent: x is not needed any more."""
        return self.norm(self.conv.over(x) if spent else self.conv(x))


class ResidualBlock(nn.Module):
    """ConvNormAct → ConvNorm, plus the input (pooled where strided, projected where channels change), activated."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, out_channels, kernel, stride)
        self.conv2 = ConvNorm(out_channels, out_channels, kernel, (1, 1, 1), bias=True)
        self.act = nn.LeakyReLU(0.01, inplace=True)
        skip: list[nn.Module] = [AveragePool(stride, stride)] if stride != (1, 1, 1) else []
        if in_channels != out_channels:
            skip.append(ConvNorm(in_channels, out_channels, (1, 1, 1), (1, 1, 1), bias=False))
        self.skip = nn.Sequential(*skip)

    def forward(self, x: Tensor) -> Tensor:
        result = self.conv2(self.conv1(x), spent=True)
        if torch.is_grad_enabled():
            return self.act(result + self.skip(x))
        result += self.skip(x)
        return self.act(result)


class ResidualStack(nn.Module):
    """`count` residual blocks, the first one strided."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple, count: int
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ResidualBlock(in_channels, out_channels, kernel, stride),
            *(ResidualBlock(out_channels, out_channels, kernel, (1, 1, 1)) for _ in range(count - 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class ConvStack(nn.Module):
    """`count` ConvNormAct blocks, the first one strided."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple, count: int
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(in_channels, out_channels, kernel, stride),
            *(ConvNormAct(out_channels, out_channels, kernel, (1, 1, 1)) for _ in range(count - 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.convs
        x = first(x)
        for block in others:
            x = block(x, spent=True)
        return x


class Encoder(nn.Module):
    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        channels = (plan.features[0] if plan.residual else plan.in_channels, *plan.features)
        self.stem: nn.Module = nn.Identity()
        if plan.residual:
            self.stem = ConvStack(plan.in_channels, plan.features[0], plan.kernels[0], (1, 1, 1), 1)
        stages: list[nn.Module] = []
        for s, count in enumerate(plan.encoder_convs):
            stack = (channels[s], channels[s + 1], plan.kernels[s], plan.strides[s], count)
            # The inner Sequential only gives the names nnU-Net uses: encoder.stages.<s>.0.convs.<j>.
            stages.append(ResidualStack(*stack) if plan.residual else nn.Sequential(ConvStack(*stack)))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, skips = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class Decoder(nn.Module):
    """From the bottleneck up; transpconvs, stages and seg_layers are ordered lowest resolution first."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        transpconvs, stages, heads = [], [], []
        kernels = plan.decoder_kernels or plan.kernels[-2::-1]
        levels = range(len(plan.features) - 2, -1, -1)
        for level, convs, kernel in zip(levels, plan.decoder_convs, kernels, strict=True):
            below, here = plan.features[level + 1], plan.features[level]
            stride = plan.strides[level + 1]
            transpconvs.append(nn.ConvTranspose3d(below, here, stride, stride))
            stages.append(ConvStack(2 * here, here, kernel, (1, 1, 1), convs))
            heads.append(nn.Conv3d(here, plan.num_classes, 1))
        self.transpconvs = nn.ModuleList(transpconvs)
        self.stages = nn.ModuleList(stages)
        self.seg_layers = nn.ModuleList(heads)

    def forward(self, skips: list[Tensor], *, deep_supervision: bool) -> list[Tensor]:
        """The skips are taken out of the list as they are used."""
        x, logits = skips.pop(), []
        for up, stage, head in zip(self.transpconvs, self.stages, self.seg_layers, strict=True):
            if torch.is_grad_enabled() or self.training:
                x = stage(torch.cat((up(x), skips.pop()), dim=1))
            else:
                x = rise(up, stage, x, skips.pop())  # type: ignore[arg-type]
            if deep_supervision or not skips:
                logits.append(head(x))
        return logits[::-1]


def rise(up: nn.ConvTranspose3d, stage: ConvStack, below: Tensor, skip: Tensor) -> Tensor:
    """One stage of the decoder without gradients; the skip is not needed any more.

    Large tensors are brought up and concatenated slab by slab, and the first convolution takes the skip's place.
    """

    def joined(start: int, stop: int) -> Tensor:
        return torch.cat((risen(up, below, start, stop), skip[:, :, start:stop]), dim=1)

    first, *others = stage.convs
    x: Tensor = first(skip, spent=True, planes=joined)
    for block in others:
        x = block(x, spent=True)
    return x


class UNet(nn.Module):
    """(batch, in_channels, z, y, x) → logits (batch, num_classes, z, y, x).

    In training mode the forward pass returns a list, full resolution first, one entry per decoder stage (deep
    supervision); in evaluation mode only the full-resolution tensor. The sides must be multiples of
    plan.total_stride_zyx.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = Encoder(plan)
        self.decoder = Decoder(plan)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        logits = self.decoder(self.encoder(x), deep_supervision=self.training)
        return logits if self.training else logits[0]
