"""The 3D U-Net, built from a plan of plain values.

Topology and parameter names follow nnU-Net's PlainConvUNet and ResidualEncoderUNet (Isensee et al., Nature Methods
2021; Isensee et al., MICCAI 2024), so that its checkpoints map one to one: each stage is a stack of [conv 3D → instance
norm → leaky ReLU 0.01], the first convolution of an encoder stage is strided, the decoder goes up by transposed
convolution and concatenates the skip. Both kinds are trained, and come with imported weights.
All tensors are (batch, channel, z, y, x); kernels and strides are (z, y, x).
"""

import torch
from torch import Tensor, nn

from model.network.plan import NetworkPlan, Triple

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
        suits_onednn = x.device.type == "cpu" and x.dtype == self.weight.dtype and x.dtype in ONEDNN
        if not suits_onednn or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        return torch.mkldnn_convolution(x, self.weight, self.bias, *geometry)  # type: ignore[arg-type]


class InstanceNorm(nn.InstanceNorm3d):
    """Instance norm, eps 1e-5, affine. For one image it is batch norm over that image, which, unlike torch's instance
    norm, leaves a channels-last tensor as it is; no copies then lie between the convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class ConvNormAct(nn.Module):
    """conv 3D → instance norm (eps 1e-5, affine) → leaky ReLU 0.01; odd kernels, size kept at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, kernel, stride)
        self.norm = InstanceNorm(out_channels)
        self.act = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvNorm(nn.Module):
    """conv 3D → instance norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple, *, bias: bool
    ) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, kernel, stride, bias=bias)
        self.norm = InstanceNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class ResidualBlock(nn.Module):
    """ConvNormAct → ConvNorm, plus the input (pooled where strided, projected where channels change), activated."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, out_channels, kernel, stride)
        self.conv2 = ConvNorm(out_channels, out_channels, kernel, (1, 1, 1), bias=True)
        self.act = nn.LeakyReLU(0.01, inplace=True)
        skip: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if stride != (1, 1, 1) else []
        if in_channels != out_channels:
            skip.append(ConvNorm(in_channels, out_channels, (1, 1, 1), (1, 1, 1), bias=False))
        self.skip = nn.Sequential(*skip)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv2(self.conv1(x)) + self.skip(x))


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
        return self.convs(x)


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
        x, logits = skips[-1], []
        last = len(self.stages) - 1
        for i, (up, stage, head) in enumerate(
            zip(self.transpconvs, self.stages, self.seg_layers, strict=True)
        ):
            x = stage(torch.cat((up(x), skips[-(i + 2)]), dim=1))
            if deep_supervision or i == last:
                logits.append(head(x))
        return logits[::-1]


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
