"""Kinds: the names of other projects' parameters, and residuals that are folded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from deepfake_serving.packaging.checkpoints.kinds.efficientnet_pytorch import rename_b4
from deepfake_serving.packaging.checkpoints.kinds.effort import rename_effort
from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
from deepfake_serving.packaging.checkpoints.run import without_superfluous
from deepfake_serving.packaging.checkpoints.state import CheckpointError
from model_handlers.manifest import parse_manifest

State = dict[str, Tensor]
ZERO = torch.zeros(1)


def renamed(kind: str, *names: str) -> list[str]:
    used, _ = without_superfluous(KINDS[kind], dict.fromkeys(names, ZERO))
    return list(KINDS[kind].rename(used))


def test_blocks_of_efficientnet_pytorch_have_timms_names() -> None:
    names = {
        "_conv_stem.weight": "conv_stem.weight",
        "_bn0.running_var": "bn1.running_var",
        "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
        "_blocks.1._project_conv.weight": "blocks.0.1.conv_pw.weight",
        "_blocks.1._bn2.bias": "blocks.0.1.bn2.bias",
        "_blocks.2._expand_conv.weight": "blocks.1.0.conv_pw.weight",
        "_blocks.9._se_reduce.bias": "blocks.2.3.se.conv_reduce.bias",
        "_blocks.31._project_conv.weight": "blocks.6.1.conv_pwl.weight",
        "_blocks.31._bn2.running_mean": "blocks.6.1.bn3.running_mean",
        "_conv_head.weight": "conv_head.weight",
        "_bn1.weight": "bn2.weight",
        "_fc.bias": "classifier.bias",
    }
    state = rename_b4({f"net.{name}": ZERO for name in names}, "net.")
    assert list(state) == list(names.values())


def test_prefixes_of_each_project_are_removed() -> None:
    assert renamed("selimsef-b7", "encoder.bn1.weight", "encoder.classifier.bias", "fc.bias") == [
        "bn1.weight",
        "classifier.bias",
    ]
    assert renamed("icpr2020-b4", "efficientnet._bn0.bias", "classifier.bias") == [
        "bn1.bias",
        "classifier.bias",
    ]
    assert renamed("icpr2020-b4", "efficientnet._bn0.bias", "efficientnet.attconv.bias") == [
        "net.bn1.bias",
        "attention.bias",
    ]
    assert renamed("deepfakebench-xception", "backbone.last_linear.bias", "backbone.bn1.bias") == [
        "fc.bias",
        "bn1.bias",
    ]
    assert renamed("deepfakebench-efficientnetb4", "backbone.efficientnet._bn0.bias") == [
        "bn1.bias"
    ]
    assert renamed(
        "deepfakebench-f3net",
        *("FAD_head.filters.0.learnable", "FAD_head.filters.0.base", "FAD_head._DCT_all_T"),
        *("backbone.bn1.bias", "backbone.adjust_channel.0.bias"),
    ) == ["branches.fad.0.filters.0.learnable", "branches.fad.1.bn1.bias"]
    assert renamed(
        "deepfakebench-ucf",
        *(
            "encoder_f.conv1.weight",
            "encoder_f.adjust_channel.0.bias",
            "encoder_f.last_linear.bias",
        ),
        *("encoder_c.conv1.weight", "block_sha.conv2d.0.bias", "block_spe.conv2d.0.bias"),
        *("head_sha.mlp.2.bias", "head_spe.mlp.2.bias", "con_gan.conv_last.bias"),
    ) == ["encoder.conv1.weight", "reduction.0.bias", "common.0.bias", "head.2.bias"]
    assert renamed(
        "deepfakebench-srm",
        *("backbone_rgb.last_linear.bias", "backbone_rgb.conv1.weight", "backbone_srm.bn1.bias"),
        *("backbone_srm.last_linear.bias", "srm_conv0.kernel", "srm_conv1.out_conv.1.bias"),
        *("srm_sa.srm.kernel", "srm_sa.conv.0.weight", "srm_sa.pa.conv.weight"),
        *("srm_sa_post.0.bias", "dual_cma0.gamma1", "fusion.ca.sharedMLP.0.weight", "blur.weight"),
    ) == [
        *("fc.bias", "colours.conv1.weight", "noise.bn1.bias", "residuals1.out_conv.1.bias"),
        *("attention.conv.0.weight", "attention.weigh.weight", "attended.0.bias"),
        *("cross0.gamma1", "fusion.weigh.0.weight"),
    ]
    assert renamed("f3net", "LFS_xcep.bn1.bias", "LFS_xcep.fc.bias", "LFS_head._DCT_patch") == [
        "branches.lfs.1.bn1.bias"
    ]


def effort_state(width: int) -> State:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    state = {
        "backbone.embeddings.class_embedding": random(width),
        "backbone.embeddings.patch_embedding.weight": random(width, 3, 2, 2),
        "backbone.embeddings.position_embedding.weight": random(5, width),
        "backbone.pre_layrnorm.weight": random(width),
        "backbone.post_layernorm.bias": random(width),
        "head.weight": random(2, width),
    }
    layer = "backbone.encoder.layers.0"
    for name in ("q", "k", "v", "out"):
        projection = f"{layer}.self_attn.{name}_proj"
        state |= {
            f"{projection}.weight_main": random(width, width),
            f"{projection}.bias": random(width),
            f"{projection}.U_residual": random(width, 1),
            f"{projection}.S_residual": random(1),
            f"{projection}.V_residual": random(1, width),
            f"{projection}.U_r": random(width, width - 1),
        }
    return state | {f"{layer}.layer_norm1.bias": random(width), f"{layer}.mlp.fc1.bias": random(8)}


def test_residuals_of_effort_are_folded_and_projections_joined() -> None:
    used, superfluous = without_superfluous(KINDS["effort"], effort_state(4))
    state = rename_effort(used)
    assert len(superfluous) == 4
    value = "backbone.encoder.layers.0.self_attn.v_proj"
    parts = [used[f"{value}.{part}_residual"] for part in "USV"]
    folded = used[f"{value}.weight_main"] + parts[1] * parts[0] @ parts[2]
    torch.testing.assert_close(state["blocks.0.attn.qkv.weight"][8:], folded)
    assert state["pos_embed"].shape == (1, 5, 4)
    assert {"patch_embed.proj.weight", "norm_pre.weight", "blocks.0.mlp.fc1.bias"} <= set(state)


def test_networks_of_genconvit_are_recognised_and_joined() -> None:
    ed = ("encoder.features.0.weight", "decoder.features.8.bias", "backbone.stem.0.bias")
    vae = ("encoder.features.1.bias", "encoder.mu.bias", "convnext_backbone.stem.0.bias", "fc.bias")
    left_out = ("embedder.norm.bias", "convnext_backbone.patch_embed.proj.bias", "fc3.bias")
    unused = ("encoder.fc1.bias", "encoder.fc2.bias", "encoder.var.bias")
    kind = KINDS["genconvit"]
    assert kind.join is not None
    files = [dict.fromkeys(ed, ZERO), dict.fromkeys(vae + left_out + unused, ZERO)]
    for order, networks in ((files, "both"), (files[:1], "ed"), (files[1:], "vae")):
        joined = kind.join(order)
        assert kind.describe(joined, None)["network"]["networks"] == networks
    joined = kind.join(files)
    assert kind.join([joined]) == joined
    used, superfluous = without_superfluous(kind, joined)
    assert set(superfluous) == {f"model_vae.{name}" for name in left_out + unused}
    assert list(kind.rename(used)) == [
        *("networks.ed.generator.encoder.0.weight", "networks.ed.generator.decoder.8.bias"),
        *("networks.ed.backbone.stem.0.bias", "networks.vae.generator.encoder.1.bias"),
        *("networks.vae.generator.mu.bias", "networks.vae.backbone.stem.0.bias"),
        "networks.vae.fc.bias",
    ]
    with pytest.raises(CheckpointError, match="two files hold the same network"):
        kind.join([files[0], files[0]])


def test_every_kind_describes_a_valid_manifest() -> None:
    for name, kind in KINDS.items():
        state = {"fc.weight": torch.zeros(2, 4)}
        entries = kind.describe(state, "resnet50")
        head = {"name": "test", "version": "1.0", "task": "detector"}
        assert parse_manifest({**head, **entries}, name).network is not None
